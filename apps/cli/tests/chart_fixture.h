// The chart, rendered by the Helm at hand, which ./dev setup brings.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <sstream>

#include "apps/cli/access.h"
#include "apps/cli/cleanup_plan.h"
#include "apps/cli/helm.h"
#include "apps/cli/install_plan.h"
#include "apps/cli/mesh_report.h"
#include "apps/cli/objects.h"
#include "apps/cli/process.h"
#include "base/encoding.h"
#include "base/file.h"
#include "manifest/manifest.h"

namespace weft::cli {

class Chart : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto helm = find_helm();
    ASSERT_TRUE(helm) << helm.error().message;
    const auto chart = find_chart("");
    ASSERT_TRUE(chart) << chart.error().message;
    helm_ = *helm;
    chart_ = *chart;
  }
  Result<Ran> helm_template(const std::vector<std::string>& sets, bool crds = false) {
    std::vector<std::string> argv{helm_, "template", "weft", chart_, "--namespace", "kube-system"};
    for (const auto& s : sets) argv.insert(argv.end(), {"--set", s});
    if (crds) argv.emplace_back("--include-crds");
    return run_process(argv, {{"HELM_CACHE_HOME", "/tmp"}});
  }
  void render(const std::vector<std::string>& sets, bool crds = false) {
    const auto ran = helm_template(sets, crds);
    ASSERT_TRUE(ran);
    ASSERT_EQ(ran->code, 0) << ran->err;
    const auto documents = parse_manifest(ran->out);
    ASSERT_TRUE(documents) << documents.error().message;
    objects_.clear();
    for (const auto& d : *documents)
      objects_[text(d.as_object(), {"kind"}) + "/" + name_of(d.as_object())] = d.as_object();
  }
  std::string refusal(const std::vector<std::string>& sets) {
    const auto ran = helm_template(sets);
    if (!ran) return ran.error().message;
    EXPECT_NE(ran->code, 0);
    return helm_complaint(ran->err);
  }
  const json::object& object(const std::string& key) {
    static const json::object none;
    const auto it = objects_.find(key);
    if (it == objects_.end()) {
      ADD_FAILURE() << key << " was not rendered";
      return none;
    }
    return it->second;
  }
  std::string secret(const std::string& name, const char* key) {
    const auto decoded = base64_decode(text(object("Secret/" + name), {"data", key}));
    return decoded ? *decoded : "";
  }

  static std::string common_name(const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                          &::BIO_free);
    const std::unique_ptr<X509, decltype(&::X509_free)> cert(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                             &::X509_free);
    char name[256] = "";
    if (cert) ::X509_NAME_get_text_by_NID(::X509_get_subject_name(cert.get()), NID_commonName, name, sizeof name);
    return name;
  }

  std::string helm_, chart_;
  std::map<std::string, json::object> objects_;
};

inline const std::vector<std::string> kMesh{"cluster.name=cluster1,cluster.id=1,clustermesh.useAPIServer=true"};

}  // namespace weft::cli
