#include "mesh/global_namespaces.h"

#include <gtest/gtest.h>

namespace weft::mesh {
namespace {

kube::Namespace ns(const std::string& name, std::optional<std::string> global = std::nullopt) {
  kube::Namespace n;
  n.name = name;
  if (global) n.annotations[kGlobalNamespaceAnnotation] = *global;
  return n;
}

TEST(GlobalNamespaces, the_annotation_decides_and_without_it_the_default) {
  for (const bool by_default : {true, false}) {
    EXPECT_EQ(is_global(ns("shop"), by_default), by_default);
    for (const char* yes : {"true", "True", "TRUE"}) EXPECT_TRUE(is_global(ns("shop", yes), by_default)) << yes;
    for (const char* no : {"false", "", "yes", "1", " true"}) EXPECT_FALSE(is_global(ns("shop", no), by_default)) << no;
  }
}

TEST(GlobalNamespaces, says_which_have_changed_and_knows_none_that_is_not_there) {
  asio::io_context io;
  Table<kube::Namespace> table(io, "namespaces");
  table.expect("k8s");
  GlobalNamespaces g(table, true);
  EXPECT_FALSE(g.complete());
  table.upsert(ns("shop"));
  table.upsert(ns("bank", "false"));
  table.initialized_by("k8s");
  EXPECT_FALSE(g.complete()) << "not taken yet";
  EXPECT_EQ(g.take(), (std::set<std::string>{"shop"}));
  EXPECT_TRUE(g.complete());
  EXPECT_TRUE(g.global("shop"));
  EXPECT_FALSE(g.global("bank"));
  EXPECT_FALSE(g.global("elsewhere"));
  EXPECT_TRUE(g.global("")) << "what has no namespace follows the default";
  auto labelled = ns("shop");
  labelled.labels["team"] = "retail";
  table.upsert(labelled);
  EXPECT_TRUE(g.take().empty()) << "another label changes nothing";
  table.remove("shop");
  table.upsert(ns("bank", "true"));
  EXPECT_EQ(g.take(), (std::set<std::string>{"bank", "shop"}));
  EXPECT_FALSE(g.global("shop"));
}

TEST(GlobalNamespaces, an_identity_names_its_namespace_in_a_label) {
  EXPECT_EQ(namespace_of({300, {{"k8s:io.kubernetes.pod.namespace", "shop"}}, "east"}), "shop");
  EXPECT_EQ(namespace_of({300, {{"k8s:app", "cart"}}, "east"}), "");
}

}  // namespace
}  // namespace weft::mesh
