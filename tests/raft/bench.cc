#include "tests/raft/bench.h"

namespace vesper::raft::testing {

Entry entry(std::uint64_t term, std::uint64_t index) {
  const std::string payload = std::to_string(term) + "/" + std::to_string(index);
  return Entry::make({Term(term), Index(index)}, EntryKind::kCommand, as_bytes(payload));
}

LogPosition at(std::uint64_t term, std::uint64_t index) {
  return {Term(term), Index(index)};
}

Log log_of(const Terms& terms, LogPosition base) {
  Log log(base, {});
  for (const std::uint64_t term : terms) log.append(entry(term, log.last_index().value() + 1));
  return log;
}

Terms terms_of(const Log& log) {
  Terms terms;
  for (Index i = log.first_index(); i <= log.last_index(); i = i.next())
    terms.push_back(log.term_at(i).value());
  return terms;
}

AppendRequest append(LogPosition previous, const Terms& terms, std::uint64_t commit) {
  AppendRequest request{.previous = previous, .commit = Index(commit), .entries = {}};
  std::uint64_t index = previous.index.value();
  for (const std::uint64_t term : terms) request.entries.push_back(entry(term, ++index));
  return request;
}

AppendReply accepted(std::uint64_t match) {
  return {.accepted = true, .match = Index(match), .rejected = {}, .hint = {}};
}

AppendReply rejected(std::uint64_t index, LogPosition hint) {
  return {.accepted = false, .match = {}, .rejected = Index(index), .hint = hint};
}

RaftConfig Bench::complete(RaftConfig config, const Start& start) {
  config.id = NodeId(0);
  if (config.configuration.members().empty()) {
    config.configuration = Configuration::of_founders(std::vector<Incarnation>(start.nodes));
  }
  return config;
}

Bench::Bench(const Start& start, RaftConfig config)
    : raft_(complete(std::move(config), start),
            HardState{Term(start.term),
                      start.vote ? std::optional(NodeId(*start.vote)) : std::nullopt},
            log_of(start.log, start.snapshot.last), now_, start.snapshot,
            start.doubt ? std::optional(Term(*start.doubt)) : std::nullopt,
            start.safe ? std::optional(Index(*start.safe)) : std::nullopt),
      written_(start.safe ? 1 : 0) {}

void Bench::receive(std::uint32_t from, std::uint64_t term, MessageBody body) {
  raft_.step(now_, {NodeId(from), NodeId(0), Term(term), std::move(body)});
}

void Bench::elapse(Duration time) {
  now_ = now_ + time;
  raft_.tick(now_);
}

void Bench::time_out() {
  now_ = std::max(now_, raft_.next_deadline());
  raft_.tick(now_);
}

bool Bench::propose(std::string_view command) {
  return raft_.propose(as_bytes(command)).ok();
}

const Ready& Bench::collect() {
  raft_.collect(ready_);
  if (ready_.write != WriteId()) written_ = ready_.write;
  return ready_;
}

std::vector<Message> Bench::settle() {
  std::vector<Message> sent;
  while (raft_.collect(ready_)) {
    for (const Message& message : ready_.send_now) sent.push_back(message);
    if (ready_.write != WriteId()) written_ = ready_.write;
    persist();
    for (const Message& message : ready_.send_after_durable) sent.push_back(message);
    committed_.insert(committed_.end(), ready_.committed.begin(), ready_.committed.end());
    reads_.insert(reads_.end(), ready_.reads.begin(), ready_.reads.end());
    chunks_wanted_.insert(chunks_wanted_.end(), ready_.chunks_wanted.begin(),
                          ready_.chunks_wanted.end());
    chunks_received_.insert(chunks_received_.end(), ready_.chunks_received.begin(),
                            ready_.chunks_received.end());
    lost_reads_.insert(lost_reads_.end(), ready_.lost_reads.begin(), ready_.lost_reads.end());
  }
  return sent;
}

void Bench::stand() {
  time_out();
  settle();
  const auto nodes = static_cast<std::uint32_t>(raft_.configuration().members().size());
  const std::uint64_t next = term() + 1;
  for (std::uint32_t i = 1; i < nodes && term() < next; ++i) {
    receive(i, next, PreVoteReply{true});
    settle();
  }
  REQUIRE(term() == next);
}

void Bench::elect() {
  stand();
  const auto nodes = static_cast<std::uint32_t>(raft_.configuration().members().size());
  for (std::uint32_t i = 1; i < nodes && !raft_.is_leader(); ++i) {
    receive(i, term(), VoteReply{true});
  }
  REQUIRE(raft_.is_leader());
  settle();
}

}  // namespace vesper::raft::testing
