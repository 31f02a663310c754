// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/model_config.h"
#include "core/base/result.h"

/// Models that are on this machine already because some program of Hugging Face downloaded them.
namespace pl::desk {

/// What a language model's folder holds, by its headers.
struct ModelLook {
    ModelConfig config;
    size_t tensors = 0;
    uint64_t bytes = 0;  ///< of its weights
    std::string dtype;   ///< of most weights: "BF16"
    std::string licence; ///< of its card; empty: not said
};
/// Fails where the folder is not whole, or of a kind that is not supported, naming what.
Result<ModelLook> lookAtModel(const std::string& dir);

struct HubModel {
    std::string repository; ///< "org/name"
    std::string revision;   ///< commit of the snapshot
    std::string path;       ///< the snapshot's folder: its files are links into the same repository's blobs/
    std::optional<ModelLook> look; ///< none: see problem
    std::string problem;    ///< why it cannot be used here, and what to do; empty: it can
};

/// Where huggingface_hub keeps its cache: $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, or
/// ~/.cache/huggingface/hub.
std::string hubCacheDir();
/// The snapshot that refs/main names, else the newest, of every model in the cache, by name. What cannot be used is there with its
/// problem. Only headers are read. An absent cache holds nothing.
std::vector<HubModel> hubModels(const std::string& cacheDir);
/// The snapshot's folder of "org/name" or "org/name@REVISION" (its first characters are enough); NotFound names what there is.
Result<std::string> hubSnapshot(const std::string& cacheDir, const std::string& name);

} // namespace pl::desk
