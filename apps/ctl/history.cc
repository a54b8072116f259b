#include "apps/ctl/history.h"

#include <fmt/format.h>

#include "apps/ctl/api.h"
#include "core/base/check.h"

namespace vesper::ctl {

namespace {

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kFail:
      return "fail";
    case Outcome::kUnknown:
      return "unknown";
  }
  VESPER_UNREACHABLE();
}

}  // namespace

std::string history_line(const Operation& operation) {
  return fmt::format(R"({{"client":{},"op":"{}","key":{},"value":{},"start":{},"end":{},)"
                     R"("outcome":"{}"}})"
                     "\n",
                     operation.client, operation.is_put ? "put" : "get", json_string(operation.key),
                     operation.value ? json_string(*operation.value) : "null", operation.start_ns,
                     operation.end_ns, name_of(operation.outcome));
}

}  // namespace vesper::ctl
