// A load of etcd by its own client protocol, gRPC, for tests/compare/etcd: so many clients, each
// with a TCP connection of its own and one request under way, for a time; then one line of JSON.
#include <etcd_api.grpc.pb.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace vesper {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerTimeMax{5};
constexpr std::chrono::seconds kConnectTimeMax{30};

struct Options {
  std::string address;
  std::string op = "put";
  int clients = 64;
  int seconds = 8;
  int keys = 10'000;
  int value_size = 100;
  int threads = 2;
};

struct Results {
  std::vector<std::int64_t> latencies_ns;  // of the requests that were a success
  std::uint64_t errors = 0;
  std::string told;  // of the first error
};

// As load.lua makes them.
std::string key_of(int index) {
  return fmt::format("key-{:08}", index);
}

std::string value_of(int index, int size) {
  return fmt::format("{:v<{}}", key_of(index), size);
}

// One connection and its request under way. A thread of its own uses it, but for `connect`.
class Client {
 public:
  Client(const Options& options, grpc::CompletionQueue& queue) : options_(options), queue_(queue) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else all share one connection
    // These two would only cost: some 15 % of the requests that etcd answers this client.
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    channel_ =
        grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), arguments);
    stub_ = etcdserverpb::KV::NewStub(channel_);
  }

  void begin_connecting() { channel_->GetState(true); }

  bool connect() {
    return channel_->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeMax);
  }

  void send(int index) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() + kAnswerTimeMax);
    begin_ = Clock::now();
    if (options_.op == "put") {
      etcdserverpb::PutRequest request;
      request.set_key(key_of(index));
      request.set_value(value_of(index, options_.value_size));
      put_ = stub_->AsyncPut(context_.get(), request, &queue_);
      put_->Finish(&put_response_, &status_, this);
    } else {
      etcdserverpb::RangeRequest request;
      request.set_key(key_of(index));
      range_ = stub_->AsyncRange(context_.get(), request, &queue_);
      range_->Finish(&range_response_, &status_, this);
    }
  }

  void on_answer(Clock::time_point now, Results& results) {
    if (is_success()) {
      results.latencies_ns.push_back(std::chrono::nanoseconds(now - begin_).count());
      return;
    }
    results.errors++;
    if (results.told.empty()) {
      results.told = status_.ok() ? "a reply without what was asked for" : status_.error_message();
    }
  }

 private:
  bool is_success() const {
    if (!status_.ok()) return false;
    if (options_.op == "put") return put_response_.header().revision() > 0;
    return range_response_.header().revision() > 0 && range_response_.kvs_size() == 1 &&
           range_response_.kvs(0).value().size() == static_cast<std::size_t>(options_.value_size);
  }

  const Options& options_;
  grpc::CompletionQueue& queue_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<etcdserverpb::KV::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::PutResponse>> put_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::RangeResponse>> range_;
  etcdserverpb::PutResponse put_response_;
  etcdserverpb::RangeResponse range_response_;
  grpc::Status status_;
  Clock::time_point begin_;
};

// A thread's share of the clients.
class Worker {
 public:
  Worker(const Options& options, int number)
      : keys_(0, options.keys - 1), random_(static_cast<std::uint64_t>(1000 + number)) {
    for (int client = number; client < options.clients; client += options.threads) {
      clients_.push_back(std::make_unique<Client>(options, queue_));
    }
  }

  void begin_connecting() {
    for (auto& client : clients_) client->begin_connecting();
  }

  bool connect() {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](auto& client) { return client->connect(); });
  }

  // What is answered after `end` does not count, unless it is an error.
  void run(Clock::time_point end) {
    for (auto& client : clients_) client->send(keys_(random_));
    Results late;
    std::size_t under_way = clients_.size();
    void* tag = nullptr;
    bool ok = false;
    while (under_way > 0 && queue_.Next(&tag, &ok)) {
      auto* client = static_cast<Client*>(tag);
      const auto now = Clock::now();
      client->on_answer(now, now < end ? results_ : late);
      if (now < end) {
        client->send(keys_(random_));
      } else {
        under_way--;
      }
    }
    results_.errors += late.errors;
    if (results_.told.empty()) results_.told = late.told;
  }

  const Results& results() const { return results_; }

 private:
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::uniform_int_distribution<int> keys_;
  std::mt19937_64 random_;
  Results results_;
};

double percentile_ms(const std::vector<std::int64_t>& sorted_ns, std::size_t percent) {
  if (sorted_ns.empty()) return 0;
  return static_cast<double>(sorted_ns[(sorted_ns.size() - 1) * percent / 100]) / 1e6;
}

std::string json_string(const std::string& text) {
  std::string out;
  for (const char letter : text)
    out += letter == '"' || letter == '\\' || letter < ' ' ? '\'' : letter;
  return '"' + out + '"';
}

void print_results(const std::vector<std::unique_ptr<Worker>>& workers, int seconds) {
  Results all;
  for (const auto& worker : workers) {
    const Results& its = worker->results();
    all.latencies_ns.insert(all.latencies_ns.end(), its.latencies_ns.begin(),
                            its.latencies_ns.end());
    all.errors += its.errors;
    if (all.told.empty()) all.told = its.told;
  }
  std::sort(all.latencies_ns.begin(), all.latencies_ns.end());
  const std::size_t ok = all.latencies_ns.size();
  fmt::print(
      R"({{"per_second":{:.1f},"p50_ms":{:.3f},"p99_ms":{:.3f},"ok":{},"errors":{},"told":{}}})"
      "\n",
      static_cast<double>(ok) / seconds, percentile_ms(all.latencies_ns, 50),
      percentile_ms(all.latencies_ns, 99), ok, all.errors, json_string(all.told));
}

int load(const Options& options) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int number = 0; number < options.threads; ++number) {
    workers.push_back(std::make_unique<Worker>(options, number));
  }
  for (auto& worker : workers) worker->begin_connecting();
  for (auto& worker : workers) {
    if (worker->connect()) continue;
    fmt::print(stderr, "etcd_load: no connection to {}\n", options.address);
    return 1;
  }
  const auto end = Clock::now() + std::chrono::seconds(options.seconds);
  std::vector<std::thread> threads;
  for (auto& worker : workers) threads.emplace_back([&worker, end] { worker->run(end); });
  for (auto& thread : threads) thread.join();
  print_results(workers, options.seconds);
  return 0;
}

}  // namespace
}  // namespace vesper

int main(int argc, char** argv) {
  vesper::Options options;
  CLI::App app{
      "A load of etcd by gRPC. Prints one line of JSON. Exit status 0, 1 without a connection."};
  app.add_option("address", options.address, "host:port")->required();
  app.add_option("--op", options.op, "put or get")
      ->check(CLI::IsMember({"put", "get"}))
      ->capture_default_str();
  app.add_option("--clients", options.clients)
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds)->check(CLI::Range(1, 3600))->capture_default_str();
  app.add_option("--keys", options.keys)->check(CLI::Range(1, 10'000'000))->capture_default_str();
  app.add_option("--value-size", options.value_size)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 64))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return vesper::load(options);
}
