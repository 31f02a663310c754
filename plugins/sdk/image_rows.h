// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/learn/host/job.h"
#include "core/learn/images/image_store.h"

namespace pl::sdk {

/// The images of a run's rows, read into a store: the one rule for files that cannot be decoded. The rows that need one are left
/// out, alert() says so once, and only a run of which nothing is left fails. Data that are not what was frozen (a file that is
/// missing, or has other bytes than its name says) still end the run.
class ImageRows {
public:
    ImageRows(learn::Job& job, learn::ImageStore& store) : m_job(job), m_store(store) {}

    /// Index of an image of the run's data; nothing: it cannot be read. Whoever leaves out a row for it counts that.
    Result<std::optional<size_t>> add(const std::string& ref);
    /// Both images of a pair, or nothing, which is counted.
    Result<std::optional<std::pair<size_t, size_t>>> addBoth(const std::string& a, const std::string& b);
    void countLeftOut() { ++m_leftOut; }
    /// An order that is kept without some of its images.
    void countShortened() { ++m_shortened; }

    /// The event `unreadable_images`: how many images, how many rows are left out or shortened, the first file and what is wrong with it. Nothing
    /// when all could be read.
    void alert() const;
    /// The same as the end of an error's sentence: ": ..." or nothing.
    std::string because() const;

private:
    std::string words() const;
    learn::Job& m_job;
    learn::ImageStore& m_store;
    int64_t m_leftOut = 0, m_shortened = 0;
};

} // namespace pl::sdk
