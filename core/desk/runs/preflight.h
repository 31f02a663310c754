// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/json.h"
#include "core/base/manifest.h"

/// What would end a run in its first second, said before there is a run.
namespace pl::desk {

/// InvalidInput when the job is trained towards rewards ("rewards" in its manifest) and none is given, or a reward model term names no
/// model. The hint has the terms it knows as `--reward` takes them. Recorded answers bring their own rewards.
Status checkReward(const Manifest& manifest, const Json& parameters);
/// InvalidInput naming the devices that are here, when this one ("cpu", "cuda", "cuda:1") is not. What nobody can say (a driver is
/// there and the worker does not answer) is left to the run. May take seconds where there is a GPU.
Status checkDevice(const std::string& device);

} // namespace pl::desk
