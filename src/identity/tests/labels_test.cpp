#include <gtest/gtest.h>

#include "identity/labels_filter.h"
#include "identity/pod_labels.h"

namespace weft::identity {
namespace {

TEST(LabelsFilter, default_list_keeps_what_means_something_and_drops_what_differs_from_pod_to_pod) {
  const LabelsFilter f;
  for (const char* keep : {"app", "team", "app.kubernetes.io/name", "io.kubernetes.pod.namespace",
                           "io.cilium.k8s.policy.cluster", "io.cilium.k8s.policy.serviceaccount",
                           "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", "example.com/kubernetes.io"})
    EXPECT_TRUE(f.keeps("k8s", keep)) << keep;
  for (const char* drop : {"io.kubernetes.container.name", "kubernetes.io/hostname", "beta.kubernetes.io/arch",
                           "failure-domain.beta.kubernetes.io/zone", "k8s.io/x", "topology.kubernetes.io/zone",
                           "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
                           "batch.kubernetes.io/job-completion-index", "pod-template-generation", "pod-template-hash",
                           "controller-revision-hash", "controller-uid", "batch.kubernetes.io/controller-uid",
                           "annotation.x", "etcd_node"})
    EXPECT_FALSE(f.keeps("k8s", drop)) << drop;
  EXPECT_TRUE(f.keeps("reserved", "host"));
}

TEST(LabelsFilter, longer_match_wins_between_include_and_exclude) {
  const auto f = LabelsFilter::with("!app k8s:app\\.example");
  ASSERT_TRUE(f);
  EXPECT_FALSE(f->keeps("k8s", "app"));
  EXPECT_TRUE(f->keeps("k8s", "app.example/x"));
  EXPECT_FALSE(f->keeps("cni", "app.example/x")) << "the include is for source k8s alone";
}

TEST(LabelsFilter, inclusive_rule_of_the_user_drops_what_matches_nothing) {
  const auto only_excludes = LabelsFilter::with(" !team ");
  ASSERT_TRUE(only_excludes);
  EXPECT_TRUE(only_excludes->keeps("k8s", "app"));
  EXPECT_FALSE(only_excludes->keeps("k8s", "team"));
  const auto includes = LabelsFilter::with("k8s:app");
  ASSERT_TRUE(includes);
  EXPECT_TRUE(includes->keeps("k8s", "app"));
  EXPECT_FALSE(includes->keeps("k8s", "tier"));
  EXPECT_TRUE(includes->keeps("k8s", "io.kubernetes.pod.namespace")) << "the built-in includes stay";
}

TEST(LabelsFilter, rule_that_is_no_expression_is_named) {
  const auto bad = LabelsFilter::with("k8s:app k8s:[x");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("k8s:[x"), std::string::npos) << bad.error().message;
  EXPECT_FALSE(LabelsFilter::with("!"));
}

TEST(PodLabels, pod_namespace_account_and_cluster_make_the_identity) {
  PodFacts pod;
  pod.ns = "shop";
  pod.service_account = "default";
  pod.labels = {{"app", "cart"}, {"pod-template-hash", "5f7d"}};
  pod.namespace_labels = {{"kubernetes.io/metadata.name", "shop"}, {"team", "retail"}};
  EXPECT_EQ(label_set_text(identity_labels(pod, "east", LabelsFilter())),
            "k8s:app=cart;k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop;"
            "k8s:io.cilium.k8s.namespace.labels.team=retail;k8s:io.cilium.k8s.policy.cluster=east;"
            "k8s:io.cilium.k8s.policy.serviceaccount=default;k8s:io.kubernetes.pod.namespace=shop;");
}

TEST(PodLabels, pod_cannot_pretend_to_be_from_elsewhere) {
  PodFacts honest, liar;
  honest.ns = liar.ns = "shop";
  honest.labels = {{"app", "cart"}};
  liar.labels = {{"app", "cart"},
                 {kNamespaceLabel, "bank"},
                 {kClusterLabel, "west"},
                 {kServiceAccountLabel, "root"},
                 {"io.cilium.k8s.namespace.labels.team", "vault"}};
  EXPECT_EQ(identity_labels(liar, "east", LabelsFilter()), identity_labels(honest, "east", LabelsFilter()));
}

}  // namespace
}  // namespace weft::identity
