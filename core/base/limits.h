// Every bound of the core in one place, with what happens when it is reached. Bounds that a user
// may set have their defaults here and their place in RaftConfig, NodeConfig or WalOptions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vesper::limits {

// A key, in bytes of UTF-8. Longer: the request is refused (413).
inline constexpr std::size_t kKeyBytes = 4 * 1024;
// A value, in bytes of its JSON text. Longer: the request is refused (413).
inline constexpr std::size_t kValueBytes = 1024 * 1024;
// One entry's payload: a put of the longest key and value, and its framing. A longer record from a
// peer or a disk is invalid before a byte of it is allocated.
inline constexpr std::size_t kEntryPayloadBytes = kKeyBytes + kValueBytes + 64;

// Entries in one AppendRequest, by count and by bytes of their records; one entry may always travel
// alone. Full: the rest goes with the next message.
inline constexpr std::size_t kAppendEntries = 1024;
inline constexpr std::size_t kAppendBytes = 1024 * 1024;
// A peer's frame, header included. Longer: the decoder refuses it, and the connection ends.
inline constexpr std::size_t kFrameBytes = kAppendBytes + kEntryPayloadBytes + 64 * 1024;
// AppendRequests sent to one peer and not yet answered. Full: that peer waits; the others do not.
inline constexpr std::size_t kInflightAppends = 64;
// Bytes of entries in these, counted as long as any is below it; so one request more may begin.
// Full: likewise. It bounds what a slow peer holds of a leader's memory, and the requests that
// follow a large one in the same connection.
inline constexpr std::size_t kInflightBytes = 4 * 1024 * 1024;
// Bytes of entries proposed in this leadership and not yet committed. Full: proposals are refused
// as overloaded (503).
inline constexpr std::size_t kUncommittedBytes = 32 * 1024 * 1024;
// Bytes of the log that wait for a leader's own disk, which may hang while the others commit. Full:
// proposals are refused as overloaded (503).
inline constexpr std::size_t kUnwrittenBytes = 64 * 1024 * 1024;
// Reads that wait for a heartbeat round. Full: reads are refused as overloaded (503).
inline constexpr std::size_t kWaitingReads = 16 * 1024;
// Requests of all kinds that wait in one node. Full: refused as overloaded (503).
inline constexpr std::size_t kWaitingRequests = 16 * 1024;
// A piece of a snapshot in one message. One is under way to a follower at a time.
inline constexpr std::size_t kSnapshotChunkBytes = 256 * 1024;
// A snapshot. A longer claim from a peer is invalid.
inline constexpr std::uint64_t kSnapshotBytes = std::uint64_t{1} << 48;
// Messages that wait in Raft for a hard state to be durable. Full: the oldest is dropped, as a
// network may.
inline constexpr std::size_t kBarredMessages = 1024;
// A snapshot is due each time the log has grown by so many entries, or by so many bytes of their
// records, but not before it has grown by what the last snapshot came to: what is written for
// snapshots stays within what is written for the log.
inline constexpr std::uint64_t kSnapshotEntriesDue = 500'000;
inline constexpr std::uint64_t kSnapshotBytesDue = 64 * 1024 * 1024;
// Of the entries that a snapshot stands for, the last so many stay, within so many bytes, for
// followers that are only a little behind. What follows a snapshot that is being sent stays too, up
// to kSendingLogFactor times what makes a snapshot due.
inline constexpr std::uint64_t kTrailingEntries = 20'000;
inline constexpr std::uint64_t kTrailingBytes = 16 * 1024 * 1024;
inline constexpr std::uint64_t kSendingLogFactor = 4;
// Work that a node does for snapshots in one turn, so that none takes long: entries dropped, pairs
// of a replaced store given back, bytes of a snapshot made. More: in the next turns.
inline constexpr std::size_t kCompactedEntriesATurn = 4096;
inline constexpr std::size_t kDiscardedPairsATurn = 4096;
inline constexpr std::size_t kSnapshotBytesATurn = 256 * 1024;
// The last of the room that the log holds on its disk, at most a quarter of a segment. A full disk
// leaves it to term and vote and to what a new leader appends; client writes are refused (507).
inline constexpr std::uint64_t kReserveBytes = 1024 * 1024;
// What one slice of the walk over the state's memory sees. More: in the next slices.
inline constexpr std::size_t kScrubPairs = 256;
inline constexpr std::size_t kScrubBytes = 64 * 1024;
// Committed entries handed out in one Ready. Full: the rest comes with the next.
inline constexpr std::size_t kCommittedEntries = 4096;

// Client sessions in the replicated state, equal on all nodes. Full: a registration expires the one
// that was used longest ago.
inline constexpr std::size_t kSessions = 4096;
// Numbers of one session whose answers are kept: the highest applied one and those less than this
// below it. A number below is refused as unknown (409).
inline constexpr std::size_t kSessionNumbers = 64;
// All of them in a snapshot. A longer claim is invalid.
inline constexpr std::size_t kSessionsEncodedBytes = 12 + kSessions * (20 + kSessionNumbers * 16);

// A message's term. Above: the decoder refuses it, so that the count of terms never meets the end
// of its numbers; elections reach it after 146,000 years of one a microsecond. A peer that lies
// within it can still end all elections: peers are trusted.
inline constexpr std::uint64_t kTerm = std::uint64_t{1} << 62;

// Members of one cluster at a time, and nodes in one ip list.
inline constexpr std::size_t kNodes = 64;
// A node's id, which is never given to another one: below this.
inline constexpr std::uint32_t kNodeIds = 1'000'000;
// The address of a member.
inline constexpr std::size_t kAddressBytes = 512;
// A configuration. A longer claim is invalid.
inline constexpr std::size_t kConfigurationBytes = 8 + kNodes * (15 + kAddressBytes);

}  // namespace vesper::limits
