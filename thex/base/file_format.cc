#include "thex/base/file_format.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "thex/base/error.h"

namespace thex {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::size_t offset;
  std::string_view bytes;
  std::string_view meaning;
};
// The first that fits.
constexpr std::array kFormats{
    Format{0, "version https://git-lfs"sv,
           "a Git LFS pointer instead of the file itself: fetch it with 'git lfs pull' in the repository it is from"sv},
    Format{0, "\x1f\x8b\x08"sv, "a gzip archive: unpack it with 'gunzip' or 'tar xzf'"sv},
    Format{0, "PK\x03\x04"sv,
           "a zip archive: unpack it with 'unzip', or, if torch.save wrote it, call it pytorch_model.bin"sv},
    Format{0,
           "\xfd"
           "7zXZ"sv,
           "an xz archive: unpack it with 'unxz'"sv},
    Format{0, "\x28\xb5\x2f\xfd"sv, "a zstd archive: unpack it with 'unzstd'"sv},
    Format{4, "1AY&SY"sv, "a bzip2 archive: unpack it with 'bunzip2'"sv},
    Format{257, "ustar"sv, "a tar archive: unpack it with 'tar xf'"sv},
    Format{0, "\x89HDF"sv, "an HDF5 file, as TensorFlow saves models: save the model as safetensors"sv}};

// The beginning without white space and byte order mark, in small letters.
std::string folded(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  std::string result(text.substr(begin, 32));
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

std::optional<std::string> foreign_format(std::string_view beginning) {
  if (beginning.empty()) return "empty, as an interrupted download leaves it: fetch it again";
  for (const Format& format : kFormats) {
    if (beginning.size() >= format.offset && beginning.substr(format.offset).starts_with(format.bytes))
      return std::string(format.meaning);
  }
  const std::string text = folded(beginning);
  for (const std::string_view mark : {"<!doctype html"sv, "<html"sv, "<head"sv, "<?xml"sv}) {
    if (text.starts_with(mark))
      return "a web page, saved in place of the file: fetch the file itself (its 'raw' or 'download' link)";
  }
  return std::nullopt;
}

void refuse_foreign_format(const std::filesystem::path& path, std::string_view beginning) {
  if (const auto meaning = foreign_format(beginning.substr(0, 512)))
    throw Error(ErrorCode::model, path.string() + " is " + *meaning);
}

}  // namespace thex
