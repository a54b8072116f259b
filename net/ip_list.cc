#include "net/ip_list.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "core/base/limits.h"

namespace vesper::net {

namespace {

constexpr std::string_view kScheme = "http://";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool is_ipv6_character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

Error invalid(std::string_view text, const std::string& why) {
  return {ErrorCode::kInvalid, "\"" + std::string(text) + "\" is not http://host:port: " + why};
}

// The name that two spellings of one address share.
std::string identity_of(const NodeAddress& address) {
  std::string name = address.host;
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name + ":" + std::to_string(address.port);
}

}  // namespace

Addresses by_id(std::vector<NodeAddress> list) {
  Addresses addresses;
  for (NodeAddress& address : list) {
    addresses.emplace(NodeId(static_cast<std::uint32_t>(addresses.size())), std::move(address));
  }
  return addresses;
}

Result<NodeAddress> parse_address(std::string_view text) {
  if (!text.starts_with(kScheme)) return invalid(text, "it does not begin with http://");
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.ends_with(']')) return invalid(text, "no port");

  std::string_view host = rest.substr(0, colon);
  const bool is_ipv6 = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (is_ipv6) host = host.substr(1, host.size() - 2);
  if (host.empty()) return invalid(text, "no host");
  const bool is_spelt_well =
      std::all_of(host.begin(), host.end(), is_ipv6 ? is_ipv6_character : is_host_character);
  if (!is_spelt_well) return invalid(text, "the host has a character that no host name has");

  const std::string_view digits = rest.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    return invalid(text, "the port is not a number from 1 to 65535");
  }
  return NodeAddress{std::string(text), std::string(host), port};
}

Result<std::vector<NodeAddress>> parse_ip_list(std::string_view file, std::string_view text) {
  std::vector<NodeAddress> addresses;
  std::vector<std::pair<std::string, std::size_t>> seen;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;

    const std::string place = std::string(file) + ":" + std::to_string(number) + ": ";
    auto address = parse_address(line);
    if (!address.ok()) return Error{ErrorCode::kInvalid, place + address.error().message};
    std::string identity = identity_of(address.value());
    for (const auto& [earlier, line_number] : seen) {
      if (earlier != identity) continue;
      return Error{ErrorCode::kInvalid, place + "\"" + std::string(line) + "\" repeats line " +
                                            std::to_string(line_number)};
    }
    if (addresses.size() == limits::kNodes) {
      return Error{ErrorCode::kLimit,
                   place + "more than " + std::to_string(limits::kNodes) + " nodes"};
    }
    seen.emplace_back(std::move(identity), number);
    addresses.push_back(std::move(address.value()));
  }
  if (addresses.empty()) {
    return Error{ErrorCode::kInvalid, std::string(file) + ": no line names a node"};
  }
  return addresses;
}

Result<std::vector<NodeAddress>> read_ip_list(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  // An empty file fails the insertion, and is told apart by the parser.
  if (!in && !in.eof()) {
    return Error{ErrorCode::kIo, file + ": cannot be read: " + std::strerror(errno)};
  }
  return parse_ip_list(file, text.str());
}

}  // namespace vesper::net
