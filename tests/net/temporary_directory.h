// A directory that is there for one test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace vesper::net_test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    // mkdtemp puts its own letters where these six stand.
    const std::string blanks(6, 'X');
    std::string name =
        (std::filesystem::temp_directory_path() / ("vesper-test-" + blanks)).string();
    path_ = ::mkdtemp(name.data()) == nullptr ? std::string() : name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace vesper::net_test
