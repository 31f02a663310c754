// SPDX-License-Identifier: Apache-2.0
#include "core/base/result.h"

namespace pl {

Error Error::with(std::string where) && {
    context.push_back(std::move(where));
    return std::move(*this);
}

std::string Error::toString() const {
    std::string text = message;
    if (!context.empty()) {
        text += " (";
        for (size_t i = 0; i < context.size(); ++i)
            text += (i ? "; " : "") + context[i];
        text += ")";
    }
    if (!hint.empty()) {
        if (!text.empty() && text.back() != '.')
            text += ".";
        text += " " + hint;
    }
    return text;
}

tl::unexpected<Error> fail(Code code, std::string message, std::string hint) {
    return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint), {}});
}

int exitCodeOf(Code code) {
    switch (code) {
    case Code::Cancelled: return 3;
    case Code::Busy: return 4;
    case Code::InvalidInput:
    case Code::Unsupported:
    case Code::NewerFormat:
    case Code::NotFound: return 10;
    case Code::Corrupt:
    case Code::Io: return 11;
    case Code::OutOfMemory: return 12;
    case Code::Diverged: return 13;
    case Code::Internal: return 70;
    }
    return 70;
}

const char* codeName(Code code) {
    switch (code) {
    case Code::Cancelled: return "cancelled";
    case Code::NotFound: return "not_found";
    case Code::InvalidInput: return "invalid_input";
    case Code::Corrupt: return "corrupt";
    case Code::Busy: return "busy";
    case Code::NewerFormat: return "newer_format";
    case Code::OutOfMemory: return "out_of_memory";
    case Code::Unsupported: return "unsupported";
    case Code::Io: return "io";
    case Code::Diverged: return "diverged";
    case Code::Internal: return "internal";
    }
    return "internal";
}

} // namespace pl
