// Label and field selectors of list, watch and deletecollection.
#pragma once

#include <string>
#include <vector>

#include "lab/apiserver/status.h"

namespace weft::lab::api {

/// "app=cart,tier in (a,b),!old,new": all must hold.
class LabelSelector {
 public:
  static Answer<LabelSelector> parse(const std::string& text);
  bool empty() const { return terms_.empty(); }
  bool matches(const json::value& object) const;

 private:
  enum class Op { equal, not_equal, in, not_in, exists, absent, greater, less };
  struct Term {
    std::string key;
    Op op = Op::exists;
    std::vector<std::string> values;
  };
  std::vector<Term> terms_;
};

/// "metadata.name=x,status.phase!=Running". Which fields a kind offers: metadata.name and metadata.namespace for all,
/// more for pods, events, nodes, namespaces, secrets, services and replica sets; others are a 400.
class FieldSelector {
 public:
  static Answer<FieldSelector> parse(const std::string& text, const std::string& group, const std::string& plural,
                                     const std::vector<std::string>& extra = {});
  bool empty() const { return terms_.empty(); }
  bool matches(const json::value& object) const;
  /// The one name asked for by metadata.name=x, or empty.
  std::string name() const;

 private:
  struct Term {
    std::string field;
    bool equal = true;
    std::string value;
  };
  std::vector<Term> terms_;
};

/// The text form of a LabelSelector object (matchLabels, matchExpressions), as a Scale's status.selector has it.
std::string selector_text(const json::value& selector);

}  // namespace weft::lab::api
