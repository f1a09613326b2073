#include "thex/base/printable.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace thex {
namespace {

TEST(Printable, TextStaysAsItIs) {
  for (const char* text : {"", "a film", "schön \\n 良い", "👩‍👩‍👧", "naïve – “quoted”"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, NothingReachesTheTerminal) {
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\u009b31m\u0085"), "\\u009b31m\\u0085") << "C1, the one-character CSI and NEL";
  EXPECT_EQ(printable("\u202eevil\u2066x\u200f\u061c"), "\\u202eevil\\u2066x\\u200f\\u061c");
  EXPECT_EQ(printable("a\u2028b\u2029"), "a\\u2028b\\u2029");
  EXPECT_EQ(printable("a\xff\xc3(\xe2\x82"), "a\\xff\\xc3(\\xe2\\x82") << "not UTF-8";
  EXPECT_EQ(printable("\x9b\xc0\x80\xed\xa0\x80"), "\\x9b\\xc0\\x80\\xed\\xa0\\x80") << "overlong, surrogates";
}

TEST(Printable, EveryCodePointIsShownOrEscaped) {
  for (char32_t c = 1; c < 0x3000; ++c) {
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    } else {
      text = {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
              static_cast<char>(0x80 | (c & 63))};
    }
    const std::string shown = printable(text);
    EXPECT_EQ(shown == text, !is_terminal_control(c)) << static_cast<unsigned>(c);
    EXPECT_EQ(printable(shown), shown);
  }
}

TEST(Printable, JsonKeepsItsValue) {
  const nlohmann::json value = {{"text\u202e", "a\u009b31m\x7f\u2028\n\"ü\""}};
  const std::string shown = printable_json(value.dump());
  EXPECT_EQ(nlohmann::json::parse(shown), value);
  EXPECT_EQ(shown, printable(shown));
  EXPECT_NE(shown.find("ü"), std::string::npos);
}

}  // namespace
}  // namespace thex
