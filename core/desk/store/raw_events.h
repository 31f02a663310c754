// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "core/desk/store/project.h"

namespace pl::desk {

/// The version that manifests name.
const char* appVersion();
/// Every judgement event in the order it happened, with all that is recorded of it and of what it is about, as one JSON object each. `each`
/// may stop with an error.
Status forEachEventRow(Project& project, const std::function<Status(const Json&)>& each);

} // namespace pl::desk
