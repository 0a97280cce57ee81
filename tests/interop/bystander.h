// The judged speaker between a peer that does wrong and one that must not notice.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/interop/subject.h"

namespace weft::interop {

/// The subject is AS 65001 on 10.0.0.1 and fd00::1; the peer that does wrong is AS 65002 on 10.0.0.2 and fd00::2, and
/// the test decides what runs there. FRR, AS 65003 on 10.0.3.3, is the bystander.
class BesideBystander : public ::testing::Test {
 protected:
  BesideBystander() : host_("subject"), faulty_host_("faulty"), bystander_host_("bystander") {
    wire({host_, "wire", {"10.0.0.1/24", "fd00::1/64"}}, {faulty_host_, "wire", {"10.0.0.2/24", "fd00::2/64"}});
    wire({host_, "other", {"10.0.3.1/24", "fd00:3::1/64"}}, {bystander_host_, "wire", {"10.0.3.3/24", "fd00:3::3/64"}});
  }

  /// Starts subject and bystander, after `tune` has changed the session that the subject has with the faulty peer.
  void begin(const std::function<void(PeerSpec& faulty)>& tune = {}) {
    SpeakerSpec spec{
        .asn = 65001, .router_id = "192.0.2.1", .peers = {}, .routes = {{.prefix = "192.0.2.0/24"}}, .extra = {}};
    PeerSpec faulty;
    faulty.address = "10.0.0.2", faulty.local_address = "10.0.0.1", faulty.local_address_v6 = "fd00::1";
    faulty.asn = 65002;
    if (tune) tune(faulty);
    PeerSpec other;
    other.name = "bystander";
    other.address = "10.0.3.3", other.local_address = "10.0.3.1", other.local_address_v6 = "fd00:3::1",
    other.asn = 65003;
    spec.peers = {faulty, other};
    subject_ = make_speaker(subject(), host_, spec);
    SpeakerSpec by{.asn = 65003, .router_id = "192.0.2.3", .peers = {}, .routes = {}, .extra = {}};
    PeerSpec to;
    to.address = "10.0.3.1", to.local_address = "10.0.3.3", to.asn = 65001;
    by.peers = {to};
    bystander_ = make_speaker(Kind::frr, bystander_host_, by);
    subject_->start();
    bystander_->start();
    ASSERT_TRUE(established(*bystander_)) << subject_->log();
    ASSERT_TRUE(learned(*bystander_, "192.0.2.0/24"));
  }

  // Whatever was done to the subject: it lives, and the other session has not flapped.
  void TearDown() override {
    if (!subject_ || !bystander_) return;
    EXPECT_TRUE(subject_->daemon().running()) << subject_->log();
    EXPECT_TRUE(bystander_->peer().established()) << subject_->log();
    EXPECT_TRUE(bystander_->routes().contains("192.0.2.0/24"));
    const auto raw = bystander_->peer().raw;
    EXPECT_NE(raw.find("\"connectionsDropped\":0"), std::string::npos) << raw;
  }

  Host host_, faulty_host_, bystander_host_;
  std::unique_ptr<Speaker> subject_, bystander_;
};

}  // namespace weft::interop
