// Every file in tests/script/cases is a test: what a person does, and what the tables and maps then say.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "tests/script/world.h"

namespace weft::script {
namespace {

std::vector<std::string> cases() {
  std::vector<std::string> out;
  for (const auto& e : std::filesystem::directory_iterator(WEFT_SCRIPT_CASES))
    if (e.path().extension() == ".txtar") out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

class Script : public ::testing::TestWithParam<std::string> {};

TEST_P(Script, runs) {
  const auto text = read_file(GetParam());
  ASSERT_TRUE(text) << text.error().message;
  World world(parse_txtar(*text));
  run_to_completion(world.io(), world.run());
  EXPECT_EQ(world.failure(), "");
}

INSTANTIATE_TEST_SUITE_P(Cases, Script, ::testing::ValuesIn(cases()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).stem();
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace weft::script
