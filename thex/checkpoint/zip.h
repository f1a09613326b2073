// The directory of a zip archive and where each of its members lies: what torch.save writes, members that are stored
// without compression, with the 64-bit extension. A compressed or encrypted member is listed by neither name nor
// position: it is an error. Internal to this folder.
//
// Source: APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "thex/checkpoint/byte_source.h"

namespace thex::checkpoint {

struct ZipMember {
  std::uint64_t header = 0;  // position of the local header
  std::uint64_t size = 0;    // bytes of the member
};

// Limits that no checkpoint reaches: a member for each tensor.
inline constexpr std::uint64_t kMaxZipMembers = 100000;
inline constexpr std::uint64_t kMaxZipDirectory = 32u << 20;  // bytes

// True when the file begins like a zip archive.
bool looks_like_zip(const ByteSource& source);

// Members by name. Throws Error(model) for anything that is not a well-formed archive of stored members, two members of
// one name, or more than the limits.
std::map<std::string, ZipMember> zip_directory(const ByteSource& source);

// Position of the member's first byte. Throws Error(model) when its local header disagrees with the directory or its
// bytes reach beyond the end.
std::uint64_t member_begin(const ByteSource& source, const std::string& name, const ZipMember& member);

}  // namespace thex::checkpoint
