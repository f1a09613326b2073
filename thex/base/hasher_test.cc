#include "thex/base/hasher.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/hex.h"

namespace thex {
namespace {

std::string digest_of(const std::function<void(Hasher&)>& values, const std::string& purpose = "thex test 1") {
  Hasher hasher(purpose);
  values(hasher);
  return hex(hasher.finish());
}

// hashlib.blake2b(b"abc", digest_size=32, person=b"thex test 1").hexdigest() of Python, an independent implementation.
TEST(Hasher, IsBlake2bUnderAPersonalString) {
  EXPECT_EQ(digest_of([](Hasher& h) { h.bytes("abc", 3); }),
            "aa01fb661cba85322aedf0027d91a1a6dd49b7aeae3fa0aedc5db57510056e43");
  EXPECT_EQ(digest_of([](Hasher& h) {
              h.number(std::int32_t{-2});
              h.text("abc");
              h.real(1.5);
              h.numbers(std::vector<std::uint16_t>{1, 2});
            }),
            "ba2cccd432bb82884a9aad6ffbd62ed44a9bc6a4593170baf2045e7c9ac8e29a");
}

TEST(Hasher, PiecesOfAnySizeAreOneStream) {
  const std::string long_text(5000, 'x');
  const std::string whole = digest_of([&](Hasher& h) { h.bytes(long_text.data(), long_text.size()); });
  EXPECT_EQ(whole, digest_of([&](Hasher& h) {
              for (const char c : long_text) h.number(c);
            }));
  EXPECT_EQ(whole, digest_of([&](Hasher& h) {
              h.number(long_text[0]);
              h.bytes(long_text.data(), 1500);
              for (std::size_t i = 1501; i < long_text.size(); ++i) h.number(long_text[i]);
            }));
}

TEST(Hasher, DifferentValuesDiffer) {
  const std::vector<std::string> ab{"a", "b"}, joined{"ab"}, turned{"b", "a"};
  const auto texts = [](const std::vector<std::string>& all) {
    return [&](Hasher& h) { h.list(all, [&](const std::string& t) { h.text(t); }); };
  };
  enum class Two { first, second };
  std::set<std::string> seen;
  for (const std::function<void(Hasher&)>& values : std::vector<std::function<void(Hasher&)>>{
           [](Hasher&) {}, [](Hasher& h) { h.number(0); }, [](Hasher& h) { h.number(1); },
           [](Hasher& h) { h.number(std::uint64_t{1}); }, [](Hasher& h) { h.number(true); }, texts(ab), texts(joined),
           texts(turned), [](Hasher& h) { h.real(0.0); }, [](Hasher& h) { h.real(-0.0); },
           [](Hasher& h) { h.text("e"), h.enumerator(Two::first), h.enumerator(Two::second); },
           [](Hasher& h) { h.text("e"), h.enumerator(Two::second), h.enumerator(Two::first); }})
    EXPECT_TRUE(seen.insert(digest_of(values)).second);
  EXPECT_NE(digest_of(texts(ab)), digest_of(texts(ab), "thex test 2"));
}

TEST(Hasher, APurposeHasAtMostSixteenBytes) {
  EXPECT_NO_THROW(Hasher("sixteen bytes ok"));
  try {
    Hasher("seventeen bytes..");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
  }
}

}  // namespace
}  // namespace thex
