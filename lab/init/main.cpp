#include <boost/json/parse.hpp>

#include <cstdio>
#include <string_view>

#include "base/file.h"
#include "base/log.h"
#include "lab/init/init.h"

int main(int argc, char** argv) {
  using namespace weft;
  log::configure(log::Level::info, log::Format::text);
  const std::string_view command = argc == 3 ? argv[1] : "";
  int (*const run)(const boost::json::object&) = command == "hold"        ? lab::hold
                                                 : command == "run"       ? lab::run_container
                                                 : command == "supervise" ? lab::supervise
                                                                          : nullptr;
  if (run == nullptr) {
    std::fprintf(stderr,
                 "usage: weft-lab-init hold|run|supervise FILE\nThe lab starts it by itself; see weft lab --help.\n");
    return 2;
  }
  const auto text = read_file(argv[2]);
  if (!text) {
    std::fprintf(stderr, "weft-lab-init: %s\n", text.error().message.c_str());
    return 2;
  }
  boost::system::error_code ec;
  const auto value = boost::json::parse(*text, ec);
  if (ec || !value.is_object()) {
    std::fprintf(stderr, "weft-lab-init: %s: not a JSON object\n", argv[2]);
    return 2;
  }
  return run(value.get_object());
}
