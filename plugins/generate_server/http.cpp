// SPDX-License-Identifier: Apache-2.0
#include "plugins/generate_server/http.h"

#include <algorithm>
#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

namespace pl::server {

namespace {

struct Closer {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(url, which, &text, 0) != CURLUE_OK || !text)
        return {};
    std::string out = text;
    curl_free(text);
    return out;
}

size_t take(char* data, size_t size, size_t count, void* reply) {
    auto* out = static_cast<Reply*>(reply);
    if (out->body.size() + size * count > kMostReply) {
        out->tooLarge = true;
        return 0;
    }
    out->body.append(data, size * count);
    return size * count;
}

int progressed(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return static_cast<const std::atomic<bool>*>(stop)->load(); }

} // namespace

Status startHttp() {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fail(Code::Internal, "libcurl cannot be started");
    return {};
}

Result<Address> Address::parse(const std::string& text) {
    // What was typed is not repeated: it may hold a password.
    const auto bad = [](const char* why) { return fail(Code::InvalidInput, fmt::format("the server's address {}", why), "Give one such as http://127.0.0.1:8000."); };
    if (text.empty() || text.size() > 2000 || text.find_first_of(" \t\r\n\\") != std::string::npos)
        return bad("is empty, too long or holds blanks");
    std::unique_ptr<CURLU, Closer> url(curl_url());
    if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
        return bad("cannot be read, or does not begin with http:// or https://");
    const std::string scheme = part(url.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https")
        return bad("does not begin with http:// or https://");
    if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty())
        return bad("holds a user or a password, which would be kept in the run; give a key by an environment variable");
    if (!part(url.get(), CURLUPART_QUERY).empty() || !part(url.get(), CURLUPART_FRAGMENT).empty())
        return bad("holds a query or a fragment");
    Address out;
    out.host = part(url.get(), CURLUPART_HOST);
    out.tls = scheme == "https";
    out.thisMachine = out.host == "localhost" || out.host == "[::1]" ||
                      (out.host.rfind("127.", 0) == 0 && out.host.find_first_not_of("0123456789.") == std::string::npos);
    std::string path = part(url.get(), CURLUPART_PATH);
    while (!path.empty() && path.back() == '/')
        path.pop_back();
    if (path.size() < 3 || path.compare(path.size() - 3, 3, "/v1") != 0)
        path += "/v1";
    const std::string port = part(url.get(), CURLUPART_PORT);
    out.base = scheme + "://" + out.host + (port.empty() ? "" : ":" + port) + path;
    return out;
}

Reply post(const Address& address, const std::string& path, const std::string& body, const std::string& key, long timeoutSeconds,
           const std::atomic<bool>& stop) {
    Reply reply;
    std::unique_ptr<CURL, Closer> handle(curl_easy_init());
    if (!handle) {
        reply.problem = "out of memory";
        return reply;
    }
    CURL* const h = handle.get();
    std::unique_ptr<curl_slist, Closer> headers(curl_slist_append(nullptr, "Content-Type: application/json"));
    curl_slist_append(headers.get(), "Accept: application/json");
    if (!key.empty())
        curl_slist_append(headers.get(), ("Authorization: Bearer " + key).c_str());
    const std::string url = address.base + path;
    char why[CURL_ERROR_SIZE] = {};
    curl_easy_setopt(h, CURLOPT_URL, url.c_str());
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(kMostReply));
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, progressed);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&stop));
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, std::min(timeoutSeconds, 30L));
    curl_easy_setopt(h, CURLOPT_TIMEOUT, timeoutSeconds);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "pairlab");
    if (address.thisMachine)
        curl_easy_setopt(h, CURLOPT_PROXY, ""); // whatever the environment says
    const CURLcode code = curl_easy_perform(h);
    long status = 0;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    curl_off_t wait = 0;
    if (curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK)
        reply.retryAfter = static_cast<long>(std::clamp<curl_off_t>(wait, 0, 3600));
    char* target = nullptr;
    if (curl_easy_getinfo(h, CURLINFO_REDIRECT_URL, &target) == CURLE_OK && target) {
        std::unique_ptr<CURLU, Closer> parsed(curl_url());
        if (curl_url_set(parsed.get(), CURLUPART_URL, target, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
            reply.location = part(parsed.get(), CURLUPART_HOST);
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        reply.stopped = true;
    } else if (reply.tooLarge || code == CURLE_FILESIZE_EXCEEDED) {
        reply.tooLarge = true;
        reply.problem = "its reply is larger than 8 MiB";
    } else if (code != CURLE_OK) {
        reply.problem = *why ? why : curl_easy_strerror(code);
    }
    if (code != CURLE_OK)
        reply.status = 0;
    return reply;
}

} // namespace pl::server
