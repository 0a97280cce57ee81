// A route that we want to be known, as whoever asks for it says it. Attributes are shared: a million routes with ten
// sets of them hold ten sets.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "bgp/packet/attributes.h"
#include "bgp/packet/types.h"

namespace weft::bgp {

/// Everything of a route but its prefix.
struct RouteAttributes {
  /// Of a wanted route, `path.as_path` is what stands behind our own ASN; a session adds that, and drops `local_pref`
  /// towards an external peer.
  PathAttributes path;
  /// None in a wanted route: each session puts its own local address there (RFC 4271 §5.1.3). Received routes have it.
  std::optional<NextHop> next_hop;
  /// Our ASN so many times more in front of the path, towards external peers.
  unsigned prepend = 0;
  bool operator==(const RouteAttributes&) const = default;
};
std::size_t hash_value(const RouteAttributes& a);
/// Octets of memory that one such object takes, with its lists and about what the allocator adds.
std::size_t footprint(const RouteAttributes& a);

/// An immutable RouteAttributes that many routes point to. Copies are cheap; compares by value, at once when both are
/// the same object, which an AttributePool sees to. Never empty.
class SharedAttributes {
 public:
  SharedAttributes();                            // of default values
  SharedAttributes(RouteAttributes attributes);  // NOLINT(google-explicit-constructor): a value is as good as a handle
  const RouteAttributes& operator*() const { return node_->value; }
  const RouteAttributes* operator->() const { return &node_->value; }
  std::size_t hash() const { return node_->hash; }
  /// Its footprint().
  std::size_t bytes() const { return node_->bytes; }
  bool same(const SharedAttributes& other) const { return node_ == other.node_; }
  /// The same for the same object only.
  const void* id() const { return node_.get(); }
  /// Holders of this object, the caller's copy among them.
  long use_count() const { return node_.use_count(); }
  bool operator==(const SharedAttributes& other) const {
    return same(other) || (node_->hash == other.node_->hash && node_->value == other.node_->value);
  }

 private:
  struct Node {
    RouteAttributes value;
    std::size_t hash = 0;
    std::size_t bytes = 0;
  };
  std::shared_ptr<const Node> node_;
};

struct SharedAttributesHash {
  std::size_t operator()(const SharedAttributes& a) const { return a.hash(); }
};

/// One prefix of a RouteSet.
struct Route {
  Prefix prefix;
  SharedAttributes attributes;
  bool operator==(const Route&) const = default;
};

}  // namespace weft::bgp
