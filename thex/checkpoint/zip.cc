#include "thex/checkpoint/zip.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "thex/base/error.h"
#include "thex/base/json.h"

namespace thex::checkpoint {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20, kLocalBytes = 30, kEntryBytes = 46;
constexpr std::uint64_t kMaxComment = 0xffff;
constexpr std::uint32_t kIn64 = 0xffffffff;  // the value is in the 64-bit record
constexpr std::uint16_t kEncrypted = 1;

[[noreturn]] void bad(const std::string& problem) { throw Error(ErrorCode::model, "zip archive: " + problem); }

template <typename Number>
Number number_at(std::string_view bytes, std::uint64_t offset) {
  if (offset > bytes.size() || sizeof(Number) > bytes.size() - offset) bad("a record is cut off");
  Number value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(Number));
  return value;
}

std::string read_bytes(const ByteSource& source, std::uint64_t offset, std::uint64_t count) {
  std::string bytes(count, '\0');
  source.read(offset, bytes.data(), bytes.size());
  return bytes;
}

struct Directory {
  std::uint64_t members = 0, size = 0, offset = 0;
};

// The record at the end of the archive, behind which only a comment may stand.
Directory find_directory(const ByteSource& source) {
  if (source.size < kEndBytes) bad(std::to_string(source.size) + " bytes are too few");
  const std::uint64_t tail_size = std::min(source.size, kEndBytes + kMaxComment);
  const std::uint64_t tail_begin = source.size - tail_size;
  const std::string tail = read_bytes(source, tail_begin, tail_size);
  std::optional<std::uint64_t> end;
  for (std::uint64_t back = kEndBytes; back <= tail_size && !end; ++back) {
    const std::uint64_t at = tail_size - back;
    if (number_at<std::uint32_t>(tail, at) == kEnd && number_at<std::uint16_t>(tail, at + 20) == back - kEndBytes)
      end = at;
  }
  if (!end) bad("no directory at its end; the file is truncated or not a zip archive");
  Directory directory{number_at<std::uint16_t>(tail, *end + 10), number_at<std::uint32_t>(tail, *end + 12),
                      number_at<std::uint32_t>(tail, *end + 16)};
  const std::uint64_t end_position = tail_begin + *end;
  if (end_position < kLocatorBytes) return directory;
  const std::string locator = read_bytes(source, end_position - kLocatorBytes, kLocatorBytes);
  if (number_at<std::uint32_t>(locator, 0) != kEnd64Locator) return directory;
  const auto at = number_at<std::uint64_t>(locator, 8);
  if (at > source.size || source.size - at < kEnd64Bytes)
    bad("its 64-bit end record would begin at byte " + std::to_string(at));
  const std::string record = read_bytes(source, at, kEnd64Bytes);
  if (number_at<std::uint32_t>(record, 0) != kEnd64) bad("no 64-bit end record at byte " + std::to_string(at));
  return {number_at<std::uint64_t>(record, 32), number_at<std::uint64_t>(record, 40),
          number_at<std::uint64_t>(record, 48)};
}

// Replaces what is too large for 32 bits by the numbers of the 64-bit extra field.
void read_extra(std::string_view extra, const std::string& name, std::uint64_t& size, std::uint64_t& stored,
                std::uint64_t& header) {
  while (extra.size() >= 4) {
    const auto id = number_at<std::uint16_t>(extra, 0);
    const std::uint64_t length = number_at<std::uint16_t>(extra, 2);
    if (length > extra.size() - 4) break;
    if (id == 1) {
      const std::string_view field = extra.substr(4, length);
      std::uint64_t position = 0;
      for (std::uint64_t* value : {&size, &stored, &header}) {
        if (*value != kIn64) continue;
        *value = number_at<std::uint64_t>(field, position);
        position += 8;
      }
      return;
    }
    extra.remove_prefix(4 + length);
  }
  if (size == kIn64 || stored == kIn64 || header == kIn64) bad("member " + in_quotes(name) + " lacks its 64-bit sizes");
}

void refuse(std::uint16_t flags, std::uint16_t method, const std::string& name) {
  if (flags & kEncrypted) bad("member " + in_quotes(name) + " is encrypted");
  if (method != 0) {
    bad("member " + in_quotes(name) + " is compressed (method " + std::to_string(method) +
        "); torch.save stores without compression");
  }
}

}  // namespace

bool looks_like_zip(const ByteSource& source) {
  std::uint32_t first = 0;
  if (source.size < 4) return false;
  source.read(0, &first, 4);
  return first == kLocalHeader || first == kEnd;
}

std::map<std::string, ZipMember> zip_directory(const ByteSource& source) {
  const Directory directory = find_directory(source);
  if (directory.members > kMaxZipMembers || directory.size > kMaxZipDirectory)
    bad("its directory has " + std::to_string(directory.members) + " members in " + std::to_string(directory.size) +
        " bytes, at most " + std::to_string(kMaxZipMembers) + " in " + std::to_string(kMaxZipDirectory) +
        " are supported");
  if (directory.offset > source.size || directory.size > source.size - directory.offset)
    bad("its directory reaches beyond the end; the file is truncated");
  const std::string bytes = read_bytes(source, directory.offset, directory.size);
  std::map<std::string, ZipMember> members;
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    if (number_at<std::uint32_t>(bytes, at) != kDirectoryEntry)
      bad("entry " + std::to_string(i) + " of the directory is damaged");
    const std::uint64_t name_size = number_at<std::uint16_t>(bytes, at + 28);
    const std::uint64_t extra_size = number_at<std::uint16_t>(bytes, at + 30);
    const std::uint64_t comment_size = number_at<std::uint16_t>(bytes, at + 32);
    const std::uint64_t next = at + kEntryBytes + name_size + extra_size + comment_size;
    if (next > bytes.size()) bad("entry " + std::to_string(i) + " of the directory is cut off");
    const std::string name = bytes.substr(at + kEntryBytes, name_size);
    std::uint64_t stored = number_at<std::uint32_t>(bytes, at + 20), size = number_at<std::uint32_t>(bytes, at + 24);
    std::uint64_t header = number_at<std::uint32_t>(bytes, at + 42);
    read_extra(std::string_view(bytes).substr(at + kEntryBytes + name_size, extra_size), name, size, stored, header);
    refuse(number_at<std::uint16_t>(bytes, at + 8), number_at<std::uint16_t>(bytes, at + 10), name);
    if (stored != size)
      bad("member " + in_quotes(name) + " has " + std::to_string(size) + " bytes, stored as " + std::to_string(stored));
    if (header > source.size || size > source.size - header)
      bad("member " + in_quotes(name) + " of " + std::to_string(size) + " bytes reaches beyond the end");
    if (!members.emplace(name, ZipMember{header, size}).second) bad("member " + in_quotes(name) + " is there twice");
    at = next;
  }
  return members;
}

std::uint64_t member_begin(const ByteSource& source, const std::string& name, const ZipMember& member) {
  if (member.header > source.size || source.size - member.header < kLocalBytes)
    bad("member " + in_quotes(name) + " has no local header");
  const std::string header = read_bytes(source, member.header, kLocalBytes);
  if (number_at<std::uint32_t>(header, 0) != kLocalHeader) bad("member " + in_quotes(name) + " has no local header");
  refuse(number_at<std::uint16_t>(header, 6), number_at<std::uint16_t>(header, 8), name);
  const std::uint64_t name_size = number_at<std::uint16_t>(header, 26);
  const std::uint64_t begin = member.header + kLocalBytes + name_size + number_at<std::uint16_t>(header, 28);
  if (begin > source.size || member.size > source.size - begin)
    bad("member " + in_quotes(name) + " of " + std::to_string(member.size) + " bytes reaches beyond the end");
  if (name_size != name.size() || read_bytes(source, member.header + kLocalBytes, name_size) != name)
    bad("member " + in_quotes(name) + " has another name in its local header");
  return begin;
}

}  // namespace thex::checkpoint
