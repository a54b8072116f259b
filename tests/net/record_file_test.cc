#include "net/record_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

#include "core/node/recording_reader.h"
#include "tests/net/temporary_directory.h"

namespace vesper::net_test {

namespace {

using net::RecordFile;
using node::RecordingReader;
using node::RecordingWriter;
using node::RecordKind;

constexpr std::uint64_t kMax = 16 * RecordFile::kChunkBytes;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// False: there is no room any more.
bool write_turn(RecordingWriter& writer, std::string_view frame) {
  if (!writer.begin(RecordKind::kFrame, RecordingWriter::bytes_max(frame.size()))) return false;
  writer.bytes(as_bytes(frame));
  writer.end();
  writer.end_turn();
  return true;
}

std::size_t frames_in(const std::string& path, std::string_view frame) {
  const std::string file = contents(path);
  auto opened = RecordingReader::open(as_bytes(file));
  REQUIRE(opened.ok());
  CHECK_FALSE(opened.value().damage().has_value());
  std::size_t count = 0;
  while (opened.value().next() == RecordKind::kFrame) {
    CHECK(as_text(node::take_bytes(opened.value().fields())) == frame);
    ++count;
  }
  return count;
}

}  // namespace

TEST_SUITE("record_file") {
  TEST_CASE("what is written is in the file, before and after its end, over many chunks") {
    const TemporaryDirectory directory;
    const std::string frame(1'000'000, 'x');
    auto made = RecordFile::create({directory.path() + "/record", kMax});
    REQUIRE(made.ok());
    const std::string path = made.value()->path();
    RecordingWriter writer(*made.value());
    const std::size_t turns = 4 * RecordFile::kChunkBytes / frame.size();
    for (std::size_t i = 0; i < turns; ++i) REQUIRE(write_turn(writer, frame));

    // As if the process had been ended here.
    CHECK(frames_in(path, frame) == turns);
    writer.finish();
    made.value().reset();

    CHECK(frames_in(path, frame) == turns);
    const std::size_t size = contents(path).size();
    CHECK(size > turns * frame.size());
    CHECK(size < turns * (frame.size() + 100) + 100);
  }

  TEST_CASE("a file that is there is left as it is") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/record";
    std::ofstream(path) << "of the life before";

    const auto second = RecordFile::create({path, kMax});
    const auto third = RecordFile::create({path, kMax});

    REQUIRE(second.ok());
    REQUIRE(third.ok());
    CHECK(second.value()->path() == path + ".2");
    CHECK(third.value()->path() == path + ".3");
    CHECK(contents(path) == "of the life before");
  }

  TEST_CASE("at its bound a recording ends, and says so") {
    const TemporaryDirectory directory;
    const std::string frame(1'000'000, 'x');
    auto made = RecordFile::create({directory.path() + "/record", 2 * RecordFile::kChunkBytes});
    REQUIRE(made.ok());
    RecordingWriter writer(*made.value());
    std::size_t turns = 0;
    while (write_turn(writer, frame)) ++turns;
    writer.finish();

    CHECK(turns == 2 * RecordFile::kChunkBytes / frame.size());
    CHECK(made.value()->failure().find("is as long as a recording may be") != std::string::npos);
    CHECK(frames_in(made.value()->path(), frame) == turns);
  }

  TEST_CASE("a file that cannot be made is told") {
    const TemporaryDirectory directory;
    const auto made = RecordFile::create({directory.path() + "/none/record", kMax});

    REQUIRE_FALSE(made.ok());
    CHECK(made.error().message.find("create " + directory.path() + "/none/record") == 0);
  }
}

}  // namespace vesper::net_test
