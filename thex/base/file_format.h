// What a file is when it is not what its name says: the leavings of an incomplete download, which readers would
// otherwise report as damaged contents.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace thex {

// What the file seems to be and what to do, by its first bytes (512 suffice): "a Git LFS pointer instead of the file
// itself: fetch it with 'git lfs pull'". Knows the pointers of Git LFS and git-annex, web pages, archives (gzip, zip,
// xz, zstd, bzip2, tar), HDF5, Parquet, Arrow, PDF, SQLite and UTF-16, and nothing at all. Nothing for what may be a
// file of the expected kind: it neither parses nor checks.
std::optional<std::string> foreign_format(std::string_view beginning);

// The same for a file of texts, which may be empty and may begin with a tag in angle brackets; a zip archive may be a
// spreadsheet.
std::optional<std::string> foreign_data_format(std::string_view beginning);

// Where a symbolic link points to when nothing is there, as a copy of a part of a cache leaves it; nothing for a path
// that is no such link.
std::optional<std::filesystem::path> broken_link(const std::filesystem::path& path);

// Throws Error(model) "PATH is a Git LFS pointer ..." when foreign_format() knows it.
void refuse_foreign_format(const std::filesystem::path& path, std::string_view beginning);

}  // namespace thex
