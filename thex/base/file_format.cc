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
constexpr std::string_view kAnnex =
    "a pointer of git-annex instead of the file itself: fetch it with 'git annex get' in the repository it is from";
constexpr std::string_view kArrow = "an Arrow file: save the table as CSV or JSON lines";
constexpr std::string_view kUtf16 = "text in UTF-16: convert it with 'iconv -f UTF-16 -t UTF-8'";
// The first that fits.
constexpr std::array kFormats{
    Format{0, "version https://git-lfs"sv,
           "a Git LFS pointer instead of the file itself: fetch it with 'git lfs pull' in the repository it is from"sv},
    Format{0, "version https://hawser"sv,
           "a Git LFS pointer instead of the file itself: fetch it with 'git lfs pull' in the repository it is from"sv},
    Format{0, "/annex/objects/"sv, kAnnex},
    Format{0, "../.git/annex/objects/"sv, kAnnex},
    Format{0, ".git/annex/objects/"sv, kAnnex},
    Format{0, "\x1f\x8b\x08"sv, "a gzip archive: unpack it with 'gunzip' or 'tar xzf'"sv},
    Format{0,
           "\xfd"
           "7zXZ"sv,
           "an xz archive: unpack it with 'unxz'"sv},
    Format{0, "\x28\xb5\x2f\xfd"sv, "a zstd archive: unpack it with 'unzstd'"sv},
    Format{4, "1AY&SY"sv, "a bzip2 archive: unpack it with 'bunzip2'"sv},
    Format{257, "ustar"sv, "a tar archive: unpack it with 'tar xf'"sv},
    Format{0, "PAR1"sv, "a Parquet file: save the table as CSV or JSON lines"sv},
    Format{0, "ARROW1"sv, kArrow},
    Format{0, "\xff\xff\xff\xff"sv, kArrow},
    Format{0, "SQLite format 3"sv, "an SQLite database: export the table as CSV"sv},
    Format{0, "%PDF-"sv, "a PDF document: save its text first"sv},
    Format{0, "\xff\xfe"sv, kUtf16},
    Format{0, "\xfe\xff"sv, kUtf16},
    Format{0, "\x89HDF"sv, "an HDF5 file, as TensorFlow saves models: save the model as safetensors"sv}};
constexpr std::string_view kZip = "PK\x03\x04"sv;

std::string_view without_mark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

std::optional<std::string> known_format(std::string_view beginning) {
  const std::string_view text = without_mark(beginning);  // an editor may have put a mark before a pointer
  for (const Format& format : kFormats) {
    if (text.size() >= format.offset && text.substr(format.offset).starts_with(format.bytes))
      return std::string(format.meaning);
  }
  return std::nullopt;
}

// The beginning without white space and byte order mark, in small letters.
std::string folded(std::string_view text) {
  text = without_mark(text);
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
  if (beginning.starts_with(kZip))
    return "a zip archive: unpack it with 'unzip', or, if torch.save wrote it, call it pytorch_model.bin";
  if (auto known = known_format(beginning)) return known;
  const std::string text = folded(beginning);
  for (const std::string_view mark : {"<!doctype html"sv, "<html"sv, "<head"sv, "<?xml"sv}) {
    if (text.starts_with(mark))
      return "a web page, saved in place of the file: fetch the file itself (its 'raw' or 'download' link)";
  }
  return std::nullopt;
}

std::optional<std::string> foreign_data_format(std::string_view beginning) {
  if (beginning.starts_with(kZip))
    return "a zip archive or a spreadsheet: unpack it with 'unzip', or save the sheet as CSV";
  return known_format(beginning);
}

std::optional<std::filesystem::path> broken_link(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error) || std::filesystem::exists(path, error)) return std::nullopt;
  std::filesystem::path target = std::filesystem::read_symlink(path, error);
  if (error) return std::nullopt;
  return target;
}

void refuse_foreign_format(const std::filesystem::path& path, std::string_view beginning) {
  if (const auto meaning = foreign_format(beginning.substr(0, 512)))
    throw Error(ErrorCode::model, path.string() + " is " + *meaning);
}

}  // namespace thex
