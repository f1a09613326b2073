// The folder of a client's keys: who may read it, who may change it, and one process at a time.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

namespace thex::client {

// One line for a person who waits. May be empty.
using Notice = std::function<void(const std::string& line)>;

// Makes the folder, and those above it that are missing, for the user alone (0700), and checks it if it is there.
// Throws Error(file) with the cause, and Error(keys) as check_key_folder does.
void make_key_folder(const std::filesystem::path& folder);

// Whoever can put files into the folder, or owns it, can exchange keys; whoever can read a secret key can read what it
// encrypts. All throw Error(keys), with what to do, for a folder or a file that belongs to another user; for a folder
// or a file that others may write; and for a secret key that others may read. Error(file) when it cannot be looked at.
void check_key_folder(const std::filesystem::path& folder);
void check_key_file(const std::filesystem::path& path);
void check_secret_file(const std::filesystem::path& path);

// What to do about keys in `folder` that cannot be used, as the end of a message.
std::string how_to_replace_keys(const std::filesystem::path& folder);

// Whether there is such a file. Throws Error(file) with the cause when that cannot be known.
bool is_there(const std::filesystem::path& path);

// Held by one process at a time; ends with it. Waits for another one that holds it, says so through `notice`, and gives
// up after two minutes with an Error(keys) that names that process.
class FolderLock {
 public:
  FolderLock(const std::filesystem::path& folder, const Notice& notice,
             std::chrono::milliseconds longest_wait = std::chrono::minutes(2));
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int fd_;
};

}  // namespace thex::client
