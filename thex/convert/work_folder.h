// The folder in which a run keeps its checkpoints, so that it can go on after an interruption: whose it is, and that
// one run at a time uses it.
#pragma once

#include <filesystem>
#include <string>

namespace thex::convert {

// Whether a folder has the mark of a WorkFolder.
bool holds_checkpoints(const std::filesystem::path& folder);

class WorkFolder {
 public:
  // Creates the folder or goes on in it. `owner` says what it is for, on one line: the command and the fingerprint of
  // the model that it starts from. Throws Error(usage) when the folder belongs to another model, is used by a running
  // process, or holds a model or checkpoints without a mark (versions up to 1.0 left none: their conversions start
  // anew in another folder); Error(file) when it cannot be written.
  WorkFolder(std::filesystem::path folder, const std::string& owner);
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::filesystem::path& path() const { return folder_; }

 private:
  std::filesystem::path folder_;
  int lock_ = -1;  // a descriptor that holds the lock until it is closed
};

}  // namespace thex::convert
