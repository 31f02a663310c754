// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <string>

#include "core/base/result.h"

namespace pl::server {

/// Where requests go, taken apart from what a person typed.
struct Address {
    std::string base; ///< "https://host:1234/prefix/v1"
    std::string host;
    bool tls = false;
    bool thisMachine = false; ///< localhost, 127.x.x.x or ::1
    /// http and https only; no user or password in it, no query, no blanks.
    static Result<Address> parse(const std::string& url);
};

struct Reply {
    int status = 0;          ///< of HTTP; 0: none came
    std::string body;        ///< at most kMostReply bytes
    std::string problem;     ///< of the connection: refused, timed out, reply too large
    std::string location;    ///< host that a redirect points to
    long retryAfter = 0;     ///< seconds, as the server asks; 0: it does not
    bool stopped = false;    ///< because `stop` became true
    bool tooLarge = false;
};
inline constexpr size_t kMostReply = size_t{8} << 20;

/// One POST of JSON. Redirects are not followed: a key would go along. The key is sent as a bearer token, and written nowhere.
Reply post(const Address& address, const std::string& path, const std::string& body, const std::string& key, long timeoutSeconds,
           const std::atomic<bool>& stop);
/// Once, before any thread.
Status startHttp();

} // namespace pl::server
