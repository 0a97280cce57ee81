// Events: what an operator sees in `kubectl describe`. Recording never waits and never fails the caller.
#pragma once

#include <list>
#include <map>
#include <string>
#include <string_view>

#include "async/scope.h"
#include "base/clock.h"
#include "kube/client.h"

namespace weft::kube {

/// The object that an event is about.
struct ObjectReference {
  std::string api_version;
  std::string kind;
  std::string ns;
  std::string name;
  std::string uid;
};
ObjectReference reference_to(const json::object& object);

/// The same event about the same object within ten minutes counts up instead of being written again. At most 25 at
/// once and one more every five minutes for one object, as client-go.
class EventRecorder {
 public:
  enum class Type { normal, warning };
  EventRecorder(Client& client, Scope& scope, std::string component, std::string host);
  /// `reason` is one CamelCase word.
  void record(const ObjectReference& about, Type type, std::string_view reason, std::string_view message);

 private:
  struct Known {
    std::string name;
    std::string ns;
    unsigned count = 0;
    Steady::time_point last;
  };
  struct Spam {
    double tokens = 25;
    Steady::time_point last;
  };
  static Task<> write(Client& client, std::string ns, json::object event);
  static Task<> bump(Client& client, std::string ns, std::string name, unsigned count);
  void forget_old(Steady::time_point now);

  Client& client_;
  Scope& scope_;
  std::string component_;
  std::string host_;
  std::map<std::string, Known> known_;
  std::map<std::string, Spam> spam_;
  std::uint64_t serial_ = 0;
};

}  // namespace weft::kube
