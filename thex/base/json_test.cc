#include "thex/base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "thex/base/error.h"

namespace thex {
namespace {

std::string error_of(const std::string& text, int depth = 4) {
  try {
    parse_json(text, "file.json", depth);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::model);
    return error.what();
  }
  ADD_FAILURE() << "no error for " << text;
  return "";
}

TEST(Json, ALineIsForTerminalsAndHasTheValue) {
  const nlohmann::ordered_json value{{"b", "a\n\x1b[31m\u009b\u202e"}, {"a", 1}};
  const std::string line = json_line(value);
  EXPECT_EQ(line, "{\"b\":\"a\\n\\u001b[31m\\u009b\\u202e\",\"a\":1}");
  EXPECT_EQ(nlohmann::ordered_json::parse(line), value);
  EXPECT_EQ(json_line("name\xff"), "\"name\xef\xbf\xbd\"");
}

TEST(Json, ValuesAreThoseOfTheLibrary) {
  for (const char* text :
       {"{}", "[]", "null", "-0.5e3", "\"\\u00e9\\n\"", "18446744073709551615", "-9223372036854775808",
        R"({"a": [1, {"b": [true, null, {"c": "d"}]}, []], "": {}, "z": -1.5})", "[[[[1], 2], {}], \"x\"]", " [ ] "}) {
    EXPECT_EQ(parse_json(text, "text", 20), nlohmann::json::parse(text)) << text;
  }
}

TEST(Json, RefusesDepthRepeatedKeysAndWhatIsNotJson) {
  EXPECT_NO_THROW(parse_json("[[{\"a\": []}]]", "text", 4));
  EXPECT_EQ(error_of("[[{\"a\": [[]]}]]"), "file.json nests deeper than 4 levels");
  EXPECT_EQ(error_of(R"({"a": 1, "b": {"a": 2}, "a": 3})"), "file.json has the key \"a\" twice");
  EXPECT_EQ(error_of("{\"\\u001b[31m\": 1, \"\\u001b[31m\": 2}"), "file.json has the key \"\\u001b[31m\" twice");
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "nul", "[1] 2", "\"\x80\"", "{\"a\": 1", "\"\\ud800\""})
    EXPECT_NE(error_of(text).find("not valid JSON near byte"), std::string::npos) << text;
  EXPECT_NE(error_of("[1e999]").find("number or string"), std::string::npos);
}

// Work in proportion to the text, of whatever it consists: work that grew with its square would take an hour here, and
// the limit of a test is fifteen minutes.
TEST(Json, EightMegabytesOfAnything) {
  constexpr std::size_t kBytes = 8u << 20;
  const auto list = [](const std::string& item) {
    std::string text = "[" + item;
    while (text.size() < kBytes) text += "," + item;
    return text + "]";
  };
  for (const std::string item : {"{}", "[]", "0", "{\"b\":[]}", "[[],[]]"}) {
    const nlohmann::json value = parse_json(list(item), "text", 8);
    EXPECT_EQ(value.size(), (kBytes + item.size()) / (item.size() + 1)) << item;
  }
  std::string object = "{\"k\":{}";
  std::size_t count = 1;
  for (; object.size() < kBytes; ++count) object += ",\"k" + std::to_string(count) + "\":{}";
  EXPECT_EQ(parse_json(object + "}", "text", 8).size(), count);
}

}  // namespace
}  // namespace thex
