// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl {

/// Name -> shape of every tensor that the config.json of one of the program's own image models asks for (model_type
/// pairlab_image_flow, pairlab_image_epsilon or pairlab_image_reward): what a folder can be checked by without the library that
/// runs it. `what` names the file. Errors: InvalidInput for a field that is missing or out of bounds, Unsupported for another type.
Result<std::map<std::string, std::vector<int64_t>>> imageModelShapes(const Json& config, std::string_view what);

} // namespace pl
