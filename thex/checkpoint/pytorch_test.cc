#include "thex/checkpoint/pytorch.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/models.h"
#include "tests/support/pytorch_writer.h"
#include "thex/base/file.h"
#include "thex/checkpoint/half.h"
#include "thex/checkpoint/pickle.h"
#include "thex/checkpoint/zip.h"

namespace thex::checkpoint {
namespace {

using namespace std::string_literals;
using support::bytes_of;
using support::error_of;
using support::pickle_of;
using support::pickled;
using support::TemporaryFolder;
using support::View;
using support::zip_of;
using Members = std::vector<std::pair<std::string, std::string>>;
using Shape = std::vector<std::int64_t>;

TensorMap parse(const std::string& bytes, const std::function<bool(const std::string&)>& wanted = {}) {
  return parse_pytorch(std::as_bytes(std::span(bytes.data(), bytes.size())), wanted);
}

std::string rejection(const std::string& bytes) {
  return error_of(ErrorCode::model, [&] { parse(bytes); });
}

void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

std::string archive(const std::vector<View>& views, const Members& storages) {
  Members members{{"archive/data.pkl", pickle_of(views)}};
  for (const auto& [key, content] : storages) members.emplace_back("archive/data/" + key, content);
  return zip_of(members);
}

template <typename Number>
std::string storage(const std::vector<Number>& values) {
  std::string bytes;
  for (const Number value : values) bytes += bytes_of(value);
  return bytes;
}

std::string archive_of_pickle(const std::string& pickle) { return zip_of({{"archive/data.pkl", pickle}}); }

TEST(Pytorch, ReadsWhatTorchSaveWrites) {
  TensorMap tensors;
  tensors["a.weight"] = {{2, 3}, {0.5f, -1.25f, 3, 0, 1024, -0.0078125f}};
  tensors["b"] = {{}, {7}};
  tensors["empty"] = {{0, 4}, {}};
  const TensorMap back = parse(support::pytorch_file(tensors));
  ASSERT_EQ(back.size(), 3u);
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(back.at(name).shape, tensor.shape);
    EXPECT_EQ(back.at(name).data, tensor.data);
  }
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "x", support::pytorch_file(tensors));
  EXPECT_EQ(read_pytorch(folder.path() / "x").at("a.weight").data, tensors.at("a.weight").data);
  EXPECT_EQ(read_pytorch_shapes(folder.path() / "x").at("empty"), (Shape{0, 4}));
  expect_has(error_of(ErrorCode::file, [&] { read_pytorch(folder.path() / "none"); }), "cannot open");
}

TEST(Pytorch, WidensAndNarrowsEachFloatType) {
  const std::vector<float> values{0.5f, -3.0f, 96.0f};
  std::vector<std::uint16_t> half, bfloat;
  std::vector<double> wide;
  for (const float v : values) half.push_back(float_to_f16(v)), bfloat.push_back(float_to_bf16(v)), wide.push_back(v);
  const TensorMap back =
      parse(archive({{"h", "HalfStorage", "0", 3, 0, {3}, {1}},
                     {"b", "BFloat16Storage", "1", 3, 0, {3}, {1}},
                     {"d", "DoubleStorage", "2", 3, 0, {3}, {1}},
                     {"f", "FloatStorage", "3", 3, 0, {3}, {1}}},
                    {{"0", storage(half)}, {"1", storage(bfloat)}, {"2", storage(wide)}, {"3", storage(values)}}));
  for (const char* name : {"h", "b", "d", "f"}) EXPECT_EQ(back.at(name).data, values) << name;
}

// Transposed matrices (converted from TensorFlow), slices, and tied weights.
TEST(Pytorch, FollowsStridesAndSharedStorages) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8};
  const TensorMap back = parse(archive({{"whole", "FloatStorage", "s", 8, 0, {2, 4}, {4, 1}},
                                        {"tied", "FloatStorage", "s", 8, 0, {2, 4}, {4, 1}},
                                        {"transposed", "FloatStorage", "s", 8, 0, {4, 2}, {1, 4}},
                                        {"slice", "FloatStorage", "s", 8, 1, {2, 2}, {4, 2}},
                                        {"expanded", "FloatStorage", "s", 8, 3, {2, 2, 1}, {0, 1, 7}},
                                        {"one", "FloatStorage", "s", 8, 7, {1, 1}, {INT64_MAX, 99}}},
                                       {{"s", storage(values)}}));
  EXPECT_EQ(back.at("whole").data, values);
  EXPECT_EQ(back.at("tied").data, values);
  EXPECT_EQ(back.at("transposed").data, (std::vector<float>{1, 5, 2, 6, 3, 7, 4, 8}));
  EXPECT_EQ(back.at("slice").data, (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(back.at("expanded").data, (std::vector<float>{4, 5, 4, 5}));
  EXPECT_EQ(back.at("one").data, (std::vector<float>{8}));
}

TEST(Pytorch, RefusesTensorsBeyondTheirStorage) {
  const std::string s = storage(std::vector<float>{1, 2, 3, 4});
  const auto one = [&](std::int64_t size, std::int64_t offset, Shape shape, Shape stride) {
    return rejection(
        archive({{"t", "FloatStorage", "s", size, offset, std::move(shape), std::move(stride)}}, {{"s", s}}));
  };
  expect_has(one(4, 1, {4}, {1}), "beyond its storage");
  expect_has(one(4, 0, {2, 2}, {3, 1}), "beyond its storage");
  expect_has(one(4, 4, {1}, {1}), "beyond its storage");
  expect_has(one(4, 0, {5}, {0}), "beyond its storage");  // more values than the storage has
  expect_has(one(4, 0, {INT64_MAX, INT64_MAX}, {0, 0}), "beyond its storage");
  expect_has(one(4, 0, {2, 2}, {INT64_MAX, INT64_MAX}), "beyond its storage");
  expect_has(one(5, 0, {5}, {1}), "16 bytes");
  expect_has(one(INT64_MAX, 0, {INT64_MAX}, {1}), "for each byte of the file");
  expect_has(one(4, -1, {4}, {1}), "storage, offset");
  expect_has(one(4, 0, {-4}, {1}), "non-negative");
  expect_has(one(4, 0, {4}, {-1}), "non-negative");
  expect_has(one(4, 0, {4}, {1, 1}), "unequal");
  expect_has(one(4, 0, Shape(9, 1), Shape(9, 1)), "at most 8");
  expect_has(rejection(archive({{"t", "FloatStorage", "other", 4, 0, {4}, {1}}}, {{"s", s}})), "does not have");
}

TEST(Pytorch, BoundsWhatSharedStoragesCanCost) {
  std::vector<View> views;
  const std::string s(40000, '\0');
  for (int i = 0; i < 40; ++i) views.push_back({std::to_string(i), "FloatStorage", "s", 10000, 0, {10000}, {1}});
  expect_has(rejection(archive(views, {{"s", s}})), "share their storages");
}

TEST(Pytorch, SkipsUnwantedTensorsOfAnyType) {
  const std::string bytes =
      archive({{"position_ids", "LongStorage", "0", 2, 0, {1, 2}, {2, 1}}, {"w", "FloatStorage", "1", 1, 0, {1}, {1}}},
              {{"0", storage(std::vector<std::int64_t>{0, 1})}, {"1", bytes_of(2.0f)}});
  EXPECT_EQ(parse(bytes, [](const std::string& name) { return name == "w"; }).size(), 1u);
  expect_has(rejection(bytes), "LongStorage");
}

TEST(Pytorch, RejectsValuesThatAreNotFinite) {
  const auto file = [](const char* type, const std::string& values, std::int64_t n) {
    return archive({{"t", type, "s", n, 0, {n}, {1}}}, {{"s", values}});
  };
  expect_has(rejection(file("FloatStorage", storage(std::vector<float>{1, NAN}), 2)), "value 1 of tensor \"t\"");
  expect_has(rejection(file("DoubleStorage", storage(std::vector<double>{1e300}), 1)), "value 0 of tensor \"t\"");
  expect_has(rejection(file("HalfStorage", storage(std::vector<std::uint16_t>{0x7c00}), 1)), "not finite");
}

// Everything beyond the fixed list is named and never called.
TEST(Pytorch, RefusesOtherGlobals) {
  for (const std::string& global : {"os\nsystem"s, "builtins\neval"s, "posix\nsystem"s, "torch\nQInt8Storage"s,
                                    "torch._utils\n_rebuild_qtensor"s, "torch.nn.modules.linear\nLinear"s}) {
    const std::string message =
        rejection(archive_of_pickle("\x80\x02"
                                    "c"s +
                                    global + "\n" + pickled("x") + "\x85R."));
    std::string shown = global;
    shown[shown.find('\n')] = '.';
    expect_has(message, '"' + shown + '"');
    expect_has(message, "nothing was executed");
  }
  expect_has(rejection(archive_of_pickle("\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system\x93."s)), "os.system");
  expect_has(rejection(archive_of_pickle("\x80\x02"
                                         "ctorch\nFloatStorage\n)R."s)),
             "calls torch.FloatStorage");
  expect_has(rejection(archive_of_pickle("\x80\x02(S'x'\n."s)), "instruction 83");
  expect_has(rejection(archive_of_pickle("\x80\x02(ios\nsystem\n."s)), "instruction 105");
}

TEST(Pytorch, SaysWhatIsWrongWithAPickle) {
  const auto of = [](const std::string& code) { return rejection(archive_of_pickle(code)); };
  const std::string start = "\x80\x02"s;
  expect_has(of(""), "cut off");
  expect_has(of("\x80\x05."s), "protocol 5");
  expect_has(of(start), "cut off");
  expect_has(of(start + "."), "0 values");
  expect_has(of(start + "K\x01."), "an integer, expected a dictionary");
  expect_has(of(start + "}K\x01K\x02s."), "a key of the state dict is an integer");
  expect_has(of(start + "}" + pickled("epoch") + "K\x01s."), "\"epoch\" is an integer");
  expect_has(of(start + "}" + pickled("state_dict") + "}s."), "\"state_dict\" is a dictionary");
  expect_has(of(start + "}(" + pickled("x") + "u."), "without a value");
  expect_has(of(start + "t."), "no mark");
  expect_has(of(start + "0."), "empty stack");
  expect_has(of(start + "h\x05."), "recalls value 5");
  expect_has(of(start + "K\x01(u."), "expected a dictionary");
  expect_has(of(start + "X\xff\xff\xff\xff"
                        "a."),
             "cut off");
  expect_has(of(start + "K\x01Q."), "does not describe a storage");
  expect_has(of(start + "\x8a\x10" + std::string(16, 'a') + "."), "16 bytes");
  expect_has(of(start + std::string(600000, 'N') + "."), "more than 500000");
  expect_has(of(std::string(kMaxPickle + 1, 'N')), "at most");
  const View view{"t", "FloatStorage", "s", 1, 0, {1}, {1}};
  expect_has(rejection(archive({view, view}, {{"s", bytes_of(1.0f)}})), "twice");
}

// A dictionary that holds itself is no reason to run forever or to leak.
TEST(Pytorch, SurvivesCycles) {
  expect_has(rejection(archive_of_pickle("\x80\x02}q\x01" + pickled("x") + "h\x01s.")), "is a dictionary");
}

TEST(Pytorch, NamesTheFormatsThatItDoesNotRead) {
  const std::string old = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.rest of the file"s;
  expect_has(rejection(old), "before torch 1.6");
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  expect_has(rejection(tar), "tar archive");
  expect_has(rejection("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
  expect_has(rejection(""), "empty");
  expect_has(rejection("<html>404</html>"), "web page");
  expect_has(rejection(zip_of({{"readme.txt", "x"}})), "no data.pkl");
  expect_has(rejection(zip_of({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}})), "two state dicts");
  expect_has(rejection(zip_of({{"a/data.pkl", "x"}, {"a/constants.pkl", "x"}})), "TorchScript");
  expect_has(rejection(zip_of({{"a/data.pkl", "\x80\x02}."s}, {"a/byteorder", "big"}})), "byte order");
}

ByteSource source_of(const std::string& bytes) {
  return memory_source(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

TEST(Zip, ReadsShortAndExtendedRecords) {
  for (const bool extended : {false, true}) {
    const std::string bytes = zip_of({{"a/x", "first"}, {"a/empty", ""}, {"a/y", "second"}}, extended);
    const ByteSource source = source_of(bytes);
    const auto members = zip_directory(source);
    ASSERT_EQ(members.size(), 3u);
    EXPECT_EQ(members.at("a/empty").size, 0u);
    const std::uint64_t begin = member_begin(source, "a/y", members.at("a/y"));
    EXPECT_EQ(bytes.substr(begin, members.at("a/y").size), "second");
  }
}

TEST(Zip, EveryTruncationAndEveryFlippedByteIsAnErrorOrAnArchive) {
  for (const bool extended : {false, true}) {
    const std::string good = zip_of({{"a/x", "first"}, {"a/y", "second"}}, extended);
    const auto read_all = [](const std::string& bytes) {
      const ByteSource source = source_of(bytes);
      for (const auto& [name, member] : zip_directory(source)) {
        std::string content(member.size, '\0');
        source.read(member_begin(source, name, member), content.data(), content.size());
      }
    };
    read_all(good);
    for (std::size_t n = 0; n < good.size(); ++n) error_of(ErrorCode::model, [&] { read_all(good.substr(0, n)); });
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const int flip : {1, 0x80, 0xff}) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ flip);
        try {
          read_all(bad);
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), ErrorCode::model) << error.what();
        }
      }
    }
  }
}

TEST(Zip, RefusesCompressedAndEncryptedMembers) {
  std::string bytes = zip_of({{"a/x", "first"}});
  const std::size_t entry = bytes.find("PK\x01\x02");
  std::string compressed = bytes;
  compressed[entry + 10] = 8;
  expect_has(error_of(ErrorCode::model, [&] { zip_directory(source_of(compressed)); }), "compressed (method 8)");
  bytes[entry + 8] = 1;
  expect_has(error_of(ErrorCode::model, [&] { zip_directory(source_of(bytes)); }), "encrypted");
  expect_has(error_of(ErrorCode::model, [&] { zip_directory(source_of(zip_of({{"x", ""}, {"x", ""}}))); }), "twice");
}

}  // namespace
}  // namespace thex::checkpoint
