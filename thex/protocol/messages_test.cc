#include "thex/protocol/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <random>

#include "tests/support/models.h"
#include "thex/base/hex.h"

namespace thex::protocol {
namespace {

using support::error_of;

TEST(Messages, HelloRoundTrip) {
  Hello hello;
  for (std::size_t i = 0; i < hello.plan.size(); ++i) hello.plan[i] = static_cast<std::uint8_t>(i + 1);
  for (std::size_t i = 0; i < hello.keys.size(); ++i) hello.keys[i] = static_cast<std::uint8_t>(200 - i);
  hello.parts.of(model::ModelPart::embeddings) = model::Digest{1, 2, 3};
  hello.parts.of(model::ModelPart::labels) = model::Digest{};  // known, whatever its value
  const Bytes bytes = encode(hello);
  ASSERT_EQ(bytes.size(), kHelloBytes);
  const Hello parsed = parse_hello(bytes);
  EXPECT_EQ(parsed.plan, hello.plan);
  EXPECT_EQ(parsed.parts, hello.parts);
  EXPECT_EQ(parsed.keys, hello.keys);
  error_of(ErrorCode::protocol, [&] { parse_hello(std::span(bytes).first(kHelloBytes - 1)); });
  error_of(ErrorCode::protocol, [&] { parse_hello({}); });
}

TEST(Messages, PartsThatThisVersionDoesNotKnowAreErrors) {
  Bytes bytes = encode(Hello{});
  bytes[16] = std::byte{0x10};
  error_of(ErrorCode::protocol, [&] { parse_hello(bytes); });
  bytes[16] = std::byte{0};
  bytes[17] = std::byte{1};  // a digest of an unknown part
  error_of(ErrorCode::protocol, [&] { parse_hello(bytes); });
}

TEST(Messages, BusyRoundTrip) {
  const BusyMessage parsed = parse_busy(encode(BusyMessage{std::chrono::milliseconds(70'000), "later\x1b"}));
  EXPECT_EQ(parsed.retry_after, std::chrono::milliseconds(70'000));
  EXPECT_EQ(parsed.text, "later\\x1b");
  EXPECT_LE(encode(BusyMessage{{}, std::string(100'000, 'x')}).size(), kMaxBusyBytes);
  error_of(ErrorCode::protocol, [] { parse_busy(Bytes(3)); });
}

TEST(Messages, ServerInfoRoundTrip) {
  model::ModelDigests parts;
  parts.of(model::ModelPart::weights) = model::Digest{5};
  const ServerInfo parsed = parse_server_info(encode(ServerInfo{true, parts, "{\"a\":1}"}));
  EXPECT_TRUE(parsed.has_keys);
  EXPECT_EQ(parsed.parts, parts);
  EXPECT_EQ(parsed.json, "{\"a\":1}");
  EXPECT_FALSE(parse_server_info(encode(ServerInfo{false, {}, ""})).has_keys);
  error_of(ErrorCode::protocol, [] { parse_server_info({}); });
  error_of(ErrorCode::protocol, [] { parse_server_info(Bytes(1, std::byte{2})); });
}

TEST(Messages, ErrorRoundTripIsFitForATerminal) {
  const ErrorMessage parsed = parse_error(encode(ErrorMessage{ErrorCode::keys, "no \x1b[31mkeys\n"}));
  EXPECT_EQ(parsed.code, ErrorCode::keys);
  EXPECT_EQ(parsed.text, "no \\x1b[31mkeys\\n");
  EXPECT_EQ(parse_error(encode(ErrorMessage{ErrorCode::keys,
                                            "a\xc2\x9b"
                                            "2Jb\xe2\x80\xae"
                                            "c\xff"}))
                .text,
            "a\\u009b2Jb\\u202ec\\xff")
      << "eight-bit controls, directions and bytes that are no text count too";
  EXPECT_LE(encode(ErrorMessage{ErrorCode::keys, std::string(100000, 'x')}).size(), kMaxErrorBytes);
  EXPECT_EQ(parse_error(Bytes{std::byte{0xff}, std::byte{0xff}}).code, ErrorCode::protocol);
  EXPECT_EQ(parse_error(encode(ErrorMessage{ErrorCode::internal, "a fault"})).code, ErrorCode::internal);
  error_of(ErrorCode::protocol, [] { parse_error(Bytes(1)); });
  const std::string message = error_of(ErrorCode::crypto, [] {
    throw_peer_error(encode(ErrorMessage{ErrorCode::crypto, "too small"}), "the server");
  });
  EXPECT_EQ(message, "the server says: too small");
}

TEST(Messages, CiphertextsRoundTrip) {
  const std::vector<Bytes> ciphertexts = {Bytes(3, std::byte{1}), Bytes(5, std::byte{2})};
  const Bytes bytes = encode(CiphertextsHead{7, 2, 0.25}, ciphertexts);
  const CiphertextsHead head = parse_head(bytes);
  EXPECT_EQ(head.index, 7u);
  EXPECT_EQ(head.count, 2u);
  EXPECT_EQ(head.seconds, 0.25);
  const std::vector<std::size_t> sizes = {3, 5};
  const auto views = split_ciphertexts(bytes, sizes);
  ASSERT_EQ(views.size(), 2u);
  EXPECT_TRUE(std::ranges::equal(views[1], ciphertexts[1]));
}

TEST(Messages, CiphertextsOfOtherNumberOrSizeAreErrors) {
  const std::vector<Bytes> ciphertexts = {Bytes(3), Bytes(5)};
  const Bytes bytes = encode(CiphertextsHead{7, 2, 0.25}, ciphertexts);
  for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{}, {8}, {3, 4}, {3, 5, 0}, {3, 6}}) {
    error_of(ErrorCode::protocol, [&] { split_ciphertexts(bytes, sizes); });
  }
  error_of(ErrorCode::protocol, [&] { parse_head(std::span(bytes).first(15)); });
  for (const double seconds :
       {-1.0, 1e10, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    error_of(ErrorCode::protocol, [&] { parse_head(encode(CiphertextsHead{0, 0, seconds}, {})); });
  }
}

TEST(Messages, RandomBytesAreRefusedOrRead) {
  std::mt19937_64 engine(3);
  const std::vector<std::size_t> sizes = {3, 5};
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(engine() % 64);
    for (auto& b : bytes) b = static_cast<std::byte>(engine());
    const auto accept = [&](const auto& parse) {
      try {
        parse();
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::protocol);
      }
    };
    accept([&] { parse_hello(bytes); });
    accept([&] { parse_server_info(bytes); });
    accept([&] { parse_busy(bytes); });
    accept([&] { parse_error(bytes); });
    accept([&] { split_ciphertexts(bytes, sizes); });
  }
}

TEST(Messages, KeyFingerprintIsBlake2b256) {
  // BLAKE2b-256 of the empty string.
  EXPECT_EQ(hex(fingerprint(ByteView{})), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

// Everything that an answer depends on, and not the head's count and time.
TEST(Binding, IsOfPlanKeysCircuitAndCiphertexts) {
  const PlanFingerprint plan{1};
  const KeyFingerprint keys{2};
  const std::vector<Bytes> ciphertexts = {Bytes(40, std::byte{3}), Bytes(40, std::byte{4})};
  const auto query = [&](std::uint32_t index, double seconds) {
    return encode(CiphertextsHead{index, 2, seconds}, ciphertexts);
  };
  const ckks::Binding binding = binding_of(plan, keys, query(5, 0));
  EXPECT_EQ(binding, binding_of(plan, keys, query(5, 1.5)));
  EXPECT_NE(binding, binding_of(plan, keys, query(6, 0)));
  EXPECT_NE(binding, binding_of({9}, keys, query(5, 0)));
  EXPECT_NE(binding, binding_of(plan, {9}, query(5, 0)));
  Bytes changed = query(5, 0);
  changed.back() ^= std::byte{1};
  EXPECT_NE(binding, binding_of(plan, keys, changed));
  EXPECT_THROW(binding_of(plan, keys, Bytes(3)), Error);
}

}  // namespace
}  // namespace thex::protocol
