#include "thex/checkpoint/safetensors.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/models.h"
#include "thex/base/file.h"
#include "thex/checkpoint/half.h"

namespace thex::checkpoint {
namespace {

using support::error_of;
using support::TemporaryFolder;

std::string file_bytes(const std::string& header, std::size_t data_size) {
  const std::uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  return bytes + header + std::string(data_size, '\0');
}

SafetensorsFile parse(const std::string& bytes, bool (*wanted)(const std::string&) = nullptr) {
  return parse_safetensors(std::as_bytes(std::span(bytes.data(), bytes.size())), wanted);
}

std::string rejection(const std::string& header, std::size_t data_size) {
  return error_of(ErrorCode::model, [&] { parse(file_bytes(header, data_size)); });
}

// All 65,536 half values against arithmetic that shares nothing with the bit tricks.
TEST(Half, WidensEveryF16Value) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_to_float(static_cast<std::uint16_t>(bits));
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), fraction != 0);
      EXPECT_EQ(std::isinf(value), fraction == 0);
      continue;
    }
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(static_cast<double>(value), bits >> 15 ? -magnitude : magnitude) << bits;
    ASSERT_EQ(std::signbit(value), bits >> 15 == 1) << bits;
    ASSERT_EQ(float_to_f16(value), bits);
  }
}

// Between two neighbours: the nearer one, and at the middle the even one.
TEST(Half, RoundsToNearestEven) {
  for (std::uint16_t low = 0; low < 0x7bff; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const float a = f16_to_float(low), b = f16_to_float(high);
    const float middle = (a + b) / 2;  // exact: one bit more than a half has
    ASSERT_EQ(float_to_f16(middle), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 1e9f)), high) << low;
    ASSERT_EQ(float_to_f16(-middle), (low % 2 == 0 ? low : high) | 0x8000) << low;
  }
  for (std::uint16_t low = 0; low < 0x7f7f; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const float middle = std::bit_cast<float>((static_cast<std::uint32_t>(low) << 16) | 0x8000);
    ASSERT_EQ(float_to_bf16(middle), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(float_to_bf16(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(float_to_bf16(std::nextafter(middle, std::numeric_limits<float>::infinity())), high) << low;
  }
}

TEST(Half, EdgesOfTheRange) {
  EXPECT_EQ(float_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(1e30f), 0x7c00);
  EXPECT_EQ(float_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(float_to_f16(1e-30f), 0);
  EXPECT_EQ(float_to_f16(-0.0f), 0x8000);
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(std::nanf("")))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(Safetensors, RoundTripsEachType) {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}, {"note", "quote \" and ünïcode"}};
  file.tensors["b"] = {{2, 3}, {0.5f, -1.25f, 3.0f, 0.0f, 1024.0f, -0.0078125f}};
  file.tensors["a.weight"] = {{}, {7.0f}};  // a scalar
  file.tensors["empty"] = {{0, 5}, {}};
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
    write_safetensors(folder.path() / "x", file, dtype);
    const SafetensorsFile back = read_safetensors(folder.path() / "x");
    EXPECT_EQ(back.metadata, file.metadata);
    ASSERT_EQ(back.tensors.size(), 3u);
    for (const auto& [name, tensor] : file.tensors) {
      EXPECT_EQ(back.tensors.at(name).shape, tensor.shape);
      EXPECT_EQ(back.tensors.at(name).data, tensor.data);
    }
  }
}

TEST(Safetensors, LargeTensorsSurviveTheChunkedReader) {
  const TemporaryFolder folder;
  SafetensorsFile file;
  Tensor tensor{{3, 10001}, std::vector<float>(30003)};
  for (std::size_t i = 0; i < tensor.data.size(); ++i) tensor.data[i] = static_cast<float>(i % 2048);
  file.tensors["x"] = {{1}, {1.0f}};
  file.tensors["y"] = tensor;
  write_safetensors(folder.path() / "x", file, Dtype::f16);
  EXPECT_EQ(read_safetensors(folder.path() / "x").tensors.at("y").data, tensor.data);
}

// The exact bytes of a file, so that a mistake made alike by reader and writer is seen.
TEST(Safetensors, WritesTheDocumentedLayout) {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.tensors["t"] = {{2}, {1.0f, -2.0f}};
  write_safetensors(folder.path() / "x", file, Dtype::f16);
  std::string header = R"({"t":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string expected = file_bytes(header, 0) + std::string("\x00\x3c\x00\xc0", 4);
  EXPECT_EQ(read_file(folder.path() / "x", 1000), expected);
}

TEST(Safetensors, SkipsUnwantedTensorsOfAnyType) {
  const std::string bytes = file_bytes(
      R"({"position_ids":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}})",
      20);
  const auto file = parse(bytes, [](const std::string& name) { return name != "position_ids"; });
  EXPECT_EQ(file.tensors.size(), 1u);
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse(bytes); }).find("I64"), std::string::npos);
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "x", bytes);
  const auto shapes = read_safetensors_shapes(folder.path() / "x");
  EXPECT_EQ(shapes.at("position_ids"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(shapes.at("w"), (std::vector<std::int64_t>{1}));
}

TEST(Safetensors, NarrowsDoubles) {
  const double values[] = {0.5, -3.25, 1.0 / 3};
  std::string bytes = file_bytes(R"({"d":{"dtype":"F64","shape":[3],"data_offsets":[0,24]}})", 24);
  std::memcpy(bytes.data() + bytes.size() - 24, values, 24);
  EXPECT_EQ(parse(bytes).tensors.at("d").data, (std::vector<float>{0.5f, -3.25f, static_cast<float>(1.0 / 3)}));
  const double large = 1e39;  // no float
  std::memcpy(bytes.data() + bytes.size() - 16, &large, 8);
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse(bytes); }).find("value 1 of tensor \"d\""), std::string::npos);
}

TEST(Safetensors, RejectsHostileHeaders) {
  EXPECT_EQ(parse(file_bytes("{}", 0)).tensors.size(), 0u);  // the smallest valid file
  const auto one = [](const std::string& body) { return "{\"a\":{" + body + "}}"; };
  EXPECT_NE(rejection("", 0).find("'{'"), std::string::npos);
  EXPECT_NE(rejection(" {}", 0).find("'{'"), std::string::npos);
  EXPECT_NE(rejection("{", 0).find("JSON"), std::string::npos);
  EXPECT_NE(rejection("{\"a\":1}", 0).find("object"), std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1])"), 4).find("lacks"), std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"Q4","shape":[1],"data_offsets":[0,4])"), 4).find("Q4"), std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4).find("needs 8"), std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4).find("non-negative"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), 4).find("non-negative"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0).find("overflow"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])"), 0).find("overflow"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"), 4).find("dimensions"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), 8).find("gap"), std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), 8).find("the file has 8"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), 0).find("the file has 0"),
            std::string::npos);
  EXPECT_NE(rejection(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 0).find("offsets"), std::string::npos);
  EXPECT_NE(rejection(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                      4)
                .find("overlap"),
            std::string::npos);
  EXPECT_NE(rejection(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                      8)
                .find("twice"),
            std::string::npos);
  EXPECT_NE(rejection(R"({"__metadata__":{"x":1}})", 0).find("__metadata__"), std::string::npos);
  EXPECT_NE(rejection(std::string("{\"a\":") + std::string(100000, '['), 0).find("deeper"), std::string::npos);
}

TEST(Safetensors, RejectsBadLengthsBeforeAllocating) {
  const auto with_length = [](std::uint64_t length, std::size_t rest) {
    return std::string(reinterpret_cast<const char*>(&length), 8) + std::string(rest, '{');
  };
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse("1234567"); }).find("truncated"), std::string::npos);
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse("Entry not found"); }).find("begins with the text \"Entry no\""),
            std::string::npos);
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse(with_length(~0ull, 4)); }).find("only 4"), std::string::npos);
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse(with_length(5, 4)); }).find("only 4"), std::string::npos);
  EXPECT_NE(
      error_of(ErrorCode::model, [&] { parse(with_length(kMaxSafetensorsHeader + 1, (8u << 20) + 1)); }).find("most"),
      std::string::npos);
}

TEST(Safetensors, RejectsValuesThatAreNotFinite) {
  for (const char* dtype : {"F32", "F16", "BF16"}) {
    const std::size_t width = std::strcmp(dtype, "F32") == 0 ? 4 : 2;
    std::string bytes = file_bytes(std::string(R"({"a":{"dtype":")") + dtype + R"(","shape":[2],"data_offsets":[0,)" +
                                       std::to_string(2 * width) + "]}}",
                                   2 * width);
    EXPECT_EQ(parse(bytes).tensors.at("a").data, (std::vector<float>{0, 0}));
    bytes.back() = 0x7f;  // the top bits of the last value: infinity or NaN once the rest is set
    bytes[bytes.size() - 2] = static_cast<char>(0x80);
    EXPECT_NE(error_of(ErrorCode::model, [&] { parse(bytes); }).find("value 1 of"), std::string::npos) << dtype;
  }
}

TEST(Safetensors, WriterRefusesWhatItCannotStore) {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.tensors["a"] = {{1}, {1e6f}};
  write_safetensors(folder.path() / "x", file, Dtype::bf16);
  const std::string before = read_file(folder.path() / "x", 1000);
  EXPECT_NE(
      error_of(ErrorCode::usage, [&] { write_safetensors(folder.path() / "x", file, Dtype::f16); }).find("finite"),
      std::string::npos);
  EXPECT_EQ(read_file(folder.path() / "x", 1000), before);
  file.tensors["a"] = {{2}, {1.0f}};
  error_of(ErrorCode::usage, [&] { write_safetensors(folder.path() / "x", file, Dtype::f32); });
  file.tensors["a"] = {{1}, {std::nanf("")}};
  error_of(ErrorCode::usage, [&] { write_safetensors(folder.path() / "x", file, Dtype::f32); });
  error_of(ErrorCode::file, [&] { read_safetensors(folder.path() / "missing"); });
  error_of(ErrorCode::file, [&] { read_safetensors(folder.path()); });
}

}  // namespace
}  // namespace thex::checkpoint
