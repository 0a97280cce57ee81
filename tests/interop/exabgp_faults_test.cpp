// What a whole speaker does wrong: ExaBGP sends any attribute it is told to, byte by byte, in UPDATEs that are
// otherwise its own, and opens with what its configuration says.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/interop/bystander.h"

namespace weft::interop {
namespace {

constexpr const char* kPrefix = "198.51.100.0/24";

class ExaBgpFaults : public BesideBystander {
 protected:
  /// `tune` changes both ends of the session; `asn` and `router_id` are ExaBGP's.
  void begin_with(const std::function<void(PeerSpec& of_subject, PeerSpec& of_exabgp)>& tune = {},
                  std::uint32_t asn = 65002, const std::string& router_id = "192.0.2.2") {
    PeerSpec to;
    to.address = "10.0.0.1", to.local_address = "10.0.0.2", to.local_address_v6 = "fd00::2", to.asn = 65001;
    begin([&](PeerSpec& p) {
      if (tune) tune(p, to);
    });
    SpeakerSpec spec{.asn = asn, .router_id = router_id, .peers = {to}, .routes = {}, .extra = {}};
    exa_ = make_speaker(Kind::exabgp, faulty_host_, spec);
    exa_->start();
  }

  /// An attribute in ExaBGP's words: code, flags, value in hexadecimal.
  static std::string attribute(unsigned code, unsigned flags, const std::string& hex) {
    return fmt::format(" attribute [ 0x{:02x} 0x{:02x} 0x{} ]", code, flags, hex);
  }
  void announce(const std::string& what) { exa_->tell("announce route " + what); }

  /// The route comes without what is wrong, and is gone with it; the session stays.
  void expect_withdrawn(const char* what, const std::string& wrong) {
    SCOPED_TRACE(what);
    const std::string route = std::string(kPrefix) + " next-hop self";
    announce(route);
    ASSERT_TRUE(learned(*subject_, kPrefix)) << subject_->log() << exa_->log();
    announce(route + wrong);
    EXPECT_TRUE(gone(*subject_, kPrefix)) << subject_->log() << exa_->log();
    EXPECT_TRUE(subject_->peer().established()) << subject_->peer().raw;
  }
  /// The route comes although something in its UPDATE is wrong: this very UPDATE, as its community tells.
  void expect_kept(const char* what, const std::string& wrong, const std::string& extra = "") {
    SCOPED_TRACE(what);
    const std::string mark = fmt::format("65002:{}", ++mark_);
    announce(fmt::format("{} next-hop self community [ {} ]{}{}", kPrefix, mark, extra, wrong));
    EXPECT_TRUE(
        learned(*subject_, kPrefix,
                [&](const RouteView& r) { return std::ranges::find(r.communities, mark) != r.communities.end(); }))
        << subject_->log() << exa_->log();
    EXPECT_TRUE(subject_->peer().established()) << subject_->peer().raw;
  }
  /// Of the subject's sessions with ExaBGP none has ended.
  void expect_no_flap() { EXPECT_EQ(subject_->peer().flaps, 0u) << subject_->peer().raw; }
  /// ExaBGP was told why by a NOTIFICATION.
  void expect_notified(unsigned code, unsigned subcode) {
    EXPECT_TRUE(says(*exa_, fmt::format("({},{})", code, subcode))) << exa_->log() << subject_->log();
  }

  std::unique_ptr<Speaker> exa_;

 private:
  unsigned mark_ = 0;
};

// RFC 7606 §7: treat as withdraw.
TEST_F(ExaBgpFaults, a_malformed_attribute_withdraws_its_routes_and_keeps_the_session) {
  begin_with();
  ASSERT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  expect_withdrawn("ORIGIN 7", attribute(1, 0x40, "07"));
  expect_withdrawn("ORIGIN of two bytes", attribute(1, 0x40, "0000"));
  expect_withdrawn("ORIGIN without a value", attribute(1, 0x40, ""));
  expect_withdrawn("AS_PATH with a segment that overruns it", attribute(2, 0x40, "02090000fdea"));
  expect_withdrawn("AS_PATH with a segment of type 9", attribute(2, 0x40, "09010000fdea"));
  expect_withdrawn("MED of three bytes", attribute(4, 0x80, "616263"));
  expect_withdrawn("COMMUNITIES of five bytes", attribute(8, 0xc0, "6162636465"));
  expect_withdrawn("COMMUNITIES without a value", attribute(8, 0xc0, ""));
  expect_withdrawn("COMMUNITIES with the flags of a well-known attribute", attribute(8, 0x40, "fdea0001"));
  expect_withdrawn("EXTENDED COMMUNITIES of seven bytes", attribute(16, 0xc0, "61626364656667"));
  expect_withdrawn("LARGE_COMMUNITY of eleven bytes", attribute(32, 0xc0, "6162636465666768696a6b"));
  expect_no_flap();
}

// RFC 7606 §7.5, §7.9, §7.10: what means something only inside a system.
TEST_F(ExaBgpFaults, a_malformed_attribute_of_an_internal_peer_withdraws_its_routes) {
  begin_with(
      [](PeerSpec& ours, PeerSpec& theirs) {
        ours.asn = 65001;
        theirs.asn = 65001;
      },
      65001);
  ASSERT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  expect_withdrawn("LOCAL_PREF of three bytes", attribute(5, 0x40, "000064"));
  expect_withdrawn("ORIGINATOR_ID of three bytes", attribute(9, 0x80, "c00002"));
  expect_withdrawn("CLUSTER_LIST of five bytes", attribute(10, 0x80, "c000020200"));
  expect_no_flap();
}

// RFC 7606 §7.6, §7.7; §7.9 and §7.10 from an external peer; RFC 4271 §5 for what nobody knows.
TEST_F(ExaBgpFaults, what_decides_nothing_is_left_away_and_the_routes_stay) {
  begin_with();
  ASSERT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  expect_kept("ATOMIC_AGGREGATE with a value", attribute(6, 0x40, "78"));
  expect_kept("AGGREGATOR of five bytes", attribute(7, 0xc0, "6162636465"));
  expect_kept("AGGREGATOR of a speaker with 2-byte numbers", attribute(7, 0xc0, "fdeac0000202"));
  expect_kept("ORIGINATOR_ID of three bytes from another system", attribute(9, 0x80, "c00002"));
  expect_kept("CLUSTER_LIST of five bytes from another system", attribute(10, 0x80, "c000020200"));
  expect_kept("an unknown optional transitive one", attribute(250, 0xc0, "77686174"));
  expect_kept("an unknown optional one", attribute(250, 0x80, "77686174"));
  expect_kept("an unknown one of 300 bytes", attribute(251, 0xd0, std::string(600, 'a')));
  expect_kept("AS4_PATH between speakers of 4-byte numbers", attribute(17, 0xc0, "02020000fdea00010000"));
  expect_no_flap();
}

// RFC 6793 §6; RFC 7606 §3 (g): of an attribute that is there twice the first counts.
TEST_F(ExaBgpFaults, a_malformed_as4_path_of_an_old_speaker_is_left_away) {
  begin_with([](PeerSpec&, PeerSpec& theirs) { theirs.two_byte_asn = true; });
  ASSERT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  const std::string path = " as-path [ 65002 64999 ]";
  expect_kept("AS4_PATH", attribute(17, 0xc0, "020100011170"), path);
  EXPECT_THAT(subject_->routes()[kPrefix].as_path, ::testing::ElementsAre(65002u, 70000u));
  expect_kept("AS4_PATH with a segment that overruns it", attribute(17, 0xc0, "020900011170"), path);
  EXPECT_THAT(subject_->routes()[kPrefix].as_path, ::testing::ElementsAre(65002u, 64999u));
  expect_kept("AS4_AGGREGATOR of five bytes", attribute(18, 0xc0, "6162636465"), path);
  // A path with 23456 in it goes out with an AS4_PATH of ExaBGP's own, before the one given here.
  expect_kept("AS4_PATH twice", attribute(17, 0xc0, "020100011170"), " as-path [ 65002 23456 ]");
  EXPECT_THAT(subject_->routes()[kPrefix].as_path, ::testing::ElementsAre(65002u, 23456u)) << "the first counts";
  expect_no_flap();
}

// RFC 4271 §6.3
TEST_F(ExaBgpFaults, an_unknown_well_known_attribute_resets_the_session_which_comes_back_without_it) {
  begin_with();
  ASSERT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  const std::string route = std::string(kPrefix) + " next-hop self" + attribute(99, 0x40, "78");
  announce(route);
  expect_notified(3, 2);
  exa_->tell("withdraw route " + route);
  EXPECT_TRUE(established(*subject_, "peer", 2 * kPatience)) << subject_->log();
  announce("198.51.101.0/24 next-hop self");
  EXPECT_TRUE(learned(*subject_, "198.51.101.0/24", {}, 2 * kPatience)) << subject_->log() << exa_->log();
  EXPECT_FALSE(subject_->routes().contains(kPrefix));
}

// RFC 7606 §3 (g)
TEST_F(ExaBgpFaults, two_mp_reach_in_one_update_reset_the_session) {
  begin_with();
  ASSERT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  const std::string next_hop = "fd00" + std::string(24, '0') + "0002";
  announce("2001:db8:1::/48 next-hop fd00::2" + attribute(14, 0x80, "00020110" + next_hop + "00" + "3020010db80002"));
  expect_notified(3, 1);
}

// RFC 4271 §6.2
TEST_F(ExaBgpFaults, another_system_than_was_agreed_is_refused) {
  begin_with({}, 65009);
  expect_notified(2, 2);
  EXPECT_THAT(subject_->peer().reason, ::testing::HasSubstr("65009")) << subject_->peer().raw;
}

// RFC 6286 §2.2: inside one system a router id is one router's; across systems it need not be.
TEST_F(ExaBgpFaults, our_router_id_is_refused_inside_our_system) {
  begin_with(
      [](PeerSpec& ours, PeerSpec& theirs) {
        ours.asn = 65001;
        theirs.asn = 65001;
      },
      65001, "192.0.2.1");
  expect_notified(2, 3);
}

TEST_F(ExaBgpFaults, our_router_id_is_taken_from_another_system) {
  begin_with({}, 65002, "192.0.2.1");
  EXPECT_TRUE(established(*subject_)) << subject_->log() << exa_->log();
  announce(std::string(kPrefix) + " next-hop self");
  EXPECT_TRUE(learned(*subject_, kPrefix)) << subject_->log();
}

// RFC 5492 §5
TEST_F(ExaBgpFaults, a_peer_without_a_family_in_common_is_refused) {
  begin_with([](PeerSpec& ours, PeerSpec& theirs) {
    ours.families = {Family::v4};
    theirs.families = {Family::v6};
  });
  expect_notified(2, 7);
  EXPECT_THAT(subject_->peer().reason, ::testing::HasSubstr("family")) << subject_->peer().raw;
}

}  // namespace
}  // namespace weft::interop
