// Writes JSON byte for byte as Go's encoding/json does: fields in the order given, map keys sorted as bytes, and the
// same characters escaped (also <, > and &), so that our values equal those of Cilium's writers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace weft::mesh {

class GoJson {
 public:
  void open(char bracket) { comma(), out_.push_back(bracket), first_ = true; }
  void close(char bracket) { out_.push_back(bracket), first_ = false; }
  void key(std::string_view name) { string(name), out_.push_back(':'), first_ = true; }
  void string(std::string_view text);
  void number(std::int64_t n) { raw(std::to_string(n)); }
  void boolean(bool b) { raw(b ? "true" : "false"); }
  void null() { raw("null"); }
  void labels(const std::map<std::string, std::string>& map);

  void field(std::string_view name, std::string_view text) { key(name), string(text); }
  void field(std::string_view name, std::int64_t n) { key(name), number(n); }
  void flag(std::string_view name, bool b) { key(name), boolean(b); }

  std::string take() { return std::move(out_); }

 private:
  void comma() {
    if (!first_) out_.push_back(',');
    first_ = false;
  }
  void raw(std::string_view text) { comma(), out_.append(text); }

  std::string out_;
  bool first_ = true;
};

}  // namespace weft::mesh
