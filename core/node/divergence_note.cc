#include "core/node/divergence_note.h"

#include "core/base/bytes.h"

namespace vesper::node {

namespace {

constexpr const char* kNoteName = "diverged";
// Far more than a note of ours.
constexpr std::size_t kNoteBytes = 4096;

}  // namespace

std::string divergence_advice(const std::string& why) {
  return why + "; this directory must not serve again: move it away and let the node join anew";
}

std::vector<storage::DiskOp> write_divergence_note(const std::string& why) {
  const ByteView note = as_bytes(why);
  return {storage::CreateFile{.name = kNoteName, .size = note.size(), .is_written = false},
          storage::WriteFile{kNoteName, 0, {note.begin(), note.end()}},
          storage::SyncFile{kNoteName}, storage::SyncDirectory{}};
}

Status refuse_divergence_note(storage::Disk& disk) {
  auto files = disk.list();
  if (!files.ok()) return files.error();
  for (const storage::FileInfo& file : files.value()) {
    if (file.name != kNoteName) continue;
    auto note = disk.read(file.name);
    if (!note.ok()) return note.error();
    const std::string_view text = note.value().text().substr(0, kNoteBytes);
    return Error{ErrorCode::kDiverged,
                 std::string(kNoteName) + ": " + divergence_advice(std::string(text))};
  }
  return {};
}

}  // namespace vesper::node
