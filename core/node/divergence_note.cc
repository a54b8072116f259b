#include "core/node/divergence_note.h"

#include <algorithm>
#include <string_view>

#include "core/base/bytes.h"
#include "core/storage/small_file.h"

namespace vesper::node {

namespace {

constexpr const char* kNoteName = "diverged";
// A note is text: a line that names its format, then why it was left.
constexpr std::string_view kNoteHead = "diverged, format version ";
constexpr std::string_view kNoteVersion = "1";
// Far more than a note of ours.
constexpr std::size_t kNoteBytes = 4096;

// What begins otherwise was left too, by whoever: it says that something was wrong.
Error refusal_of(std::string_view note) {
  const std::string name = std::string(kNoteName) + ": ";
  if (note.starts_with(kNoteHead)) {
    note.remove_prefix(kNoteHead.size());
    const std::string_view version = note.substr(0, note.find('\n'));
    if (version != kNoteVersion) {
      return {ErrorCode::kMismatch, name + "format version " + std::string(version) +
                                        ", this program reads " + std::string(kNoteVersion)};
    }
    note.remove_prefix(std::min(version.size() + 1, note.size()));
  }
  return {ErrorCode::kDiverged, name + divergence_advice(std::string(note))};
}

}  // namespace

std::string divergence_advice(const std::string& why) {
  return why + "; this directory must not serve again: move it away and let the node join anew";
}

std::vector<storage::DiskOp> write_divergence_note(const std::string& why) {
  const std::string text = std::string(kNoteHead) + std::string(kNoteVersion) + '\n' + why;
  const ByteView note = as_bytes(text);
  return storage::replace_file(kNoteName, {note.begin(), note.end()});
}

Status refuse_divergence_note(storage::Disk& disk) {
  auto note = storage::read_if_there(disk, kNoteName);
  if (!note.ok()) return note.error();
  if (!note.value()) return {};
  return refusal_of(note.value()->text().substr(0, kNoteBytes));
}

}  // namespace vesper::node
