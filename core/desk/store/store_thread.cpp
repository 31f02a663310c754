// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/store_thread.h"

namespace pl::desk {

StoreThread::StoreThread(Project project) : m_project(std::move(project)), m_thread([this] { run(); }) {}

StoreThread::~StoreThread() { (void)close(); }

bool StoreThread::post(std::function<void(Project&)> task) {
    {
        const std::lock_guard guard(m_mutex);
        if (m_closing)
            return false;
        m_tasks.push_back(std::move(task));
    }
    m_wake.notify_one();
    return true;
}

void StoreThread::setObserver(std::function<void(Change)> observer) {
    post([observer = std::move(observer)](Project& project) { project.setObserver(observer); });
}

void StoreThread::drain() {
    std::promise<void> done;
    auto future = done.get_future();
    if (post([&done](Project&) { done.set_value(); }))
        future.wait();
}

Status StoreThread::close() {
    {
        const std::lock_guard guard(m_mutex);
        m_closing = true;
    }
    m_wake.notify_one();
    if (m_thread.joinable())
        m_thread.join();
    return m_closed;
}

void StoreThread::run() {
    for (;;) {
        std::function<void(Project&)> task;
        {
            std::unique_lock lock(m_mutex);
            m_wake.wait(lock, [this] { return m_closing || !m_tasks.empty(); });
            if (m_tasks.empty())
                break;
            task = std::move(m_tasks.front());
            m_tasks.pop_front();
        }
        task(m_project);
    }
    m_closed = m_project.close();
}

} // namespace pl::desk
