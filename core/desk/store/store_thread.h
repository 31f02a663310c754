// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <type_traits>

#include "core/desk/store/project.h"

namespace pl::desk {

/// Owns a Project on a thread of its own, so that no query ever stalls a window. Tasks run in the order they came. The project
/// belongs to tasks only: never keep the reference.
class StoreThread {
public:
    explicit StoreThread(Project project);
    /// Closes when that has not been done.
    ~StoreThread();
    StoreThread(const StoreThread&) = delete;
    StoreThread& operator=(const StoreThread&) = delete;

    /// False once close() began: the task was not taken.
    bool post(std::function<void(Project&)> task);
    /// Runs f(project) and hands back what it returns; a broken_promise after close().
    template<class F>
    auto call(F f) -> std::future<std::invoke_result_t<F, Project&>> {
        auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F, Project&>(Project&)>>(std::move(f));
        auto future = task->get_future();
        post([task](Project& project) { (*task)(project); });
        return future;
    }
    /// Called on the store's thread after each commit.
    void setObserver(std::function<void(Change)> observer);
    /// Waits until every task given so far has run.
    void drain();
    /// Finishes every task, closes the project, ends the thread.
    Status close();

private:
    void run();
    Project m_project;
    std::mutex m_mutex;
    std::condition_variable m_wake;
    std::deque<std::function<void(Project&)>> m_tasks;
    bool m_closing = false;
    Status m_closed;
    std::thread m_thread;
};

} // namespace pl::desk
