#include "base/hasher.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"

struct hasher {
    struct sha256 *sha;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t mutex; /* of all that follows */
    pthread_cond_t changed;
    const void *data; /* to be added; NULL: nothing */
    size_t size;
    bool over;
};

static void *work(void *context)
{
    struct hasher *hasher = context;
    pthread_mutex_lock(&hasher->mutex);
    while (!hasher->over) {
        if (hasher->data == NULL) {
            pthread_cond_wait(&hasher->changed, &hasher->mutex);
            continue;
        }
        pthread_mutex_unlock(&hasher->mutex);
        sha256_add(hasher->sha, hasher->data, hasher->size);
        pthread_mutex_lock(&hasher->mutex);
        hasher->data = NULL;
        pthread_cond_broadcast(&hasher->changed);
    }
    pthread_mutex_unlock(&hasher->mutex);
    return NULL;
}

/* Signals are for whoever owns it. */
static bool start(struct hasher *hasher)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&hasher->thread, NULL, work, hasher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0;
}

struct hasher *hasher_new(bool threaded)
{
    struct hasher *hasher = x_calloc(1, sizeof(*hasher));
    hasher->sha = sha256_new();
    pthread_mutex_init(&hasher->mutex, NULL);
    pthread_cond_init(&hasher->changed, NULL);
    hasher->threaded = threaded && start(hasher);
    return hasher;
}

void hasher_wait(struct hasher *hasher)
{
    pthread_mutex_lock(&hasher->mutex);
    while (hasher->data != NULL) {
        pthread_cond_wait(&hasher->changed, &hasher->mutex);
    }
    pthread_mutex_unlock(&hasher->mutex);
}

void hasher_free(struct hasher *hasher)
{
    if (hasher == NULL) {
        return;
    }
    if (hasher->threaded) {
        hasher_wait(hasher);
        pthread_mutex_lock(&hasher->mutex);
        hasher->over = true;
        pthread_cond_broadcast(&hasher->changed);
        pthread_mutex_unlock(&hasher->mutex);
        pthread_join(hasher->thread, NULL);
    }
    pthread_cond_destroy(&hasher->changed);
    pthread_mutex_destroy(&hasher->mutex);
    sha256_free(hasher->sha);
    free(hasher);
}

void hasher_add(struct hasher *hasher, const void *data, size_t size)
{
    if (size == 0) {
        return;
    }
    if (!hasher->threaded) {
        sha256_add(hasher->sha, data, size);
        return;
    }
    hasher_wait(hasher);
    pthread_mutex_lock(&hasher->mutex);
    hasher->data = data;
    hasher->size = size;
    pthread_cond_broadcast(&hasher->changed);
    pthread_mutex_unlock(&hasher->mutex);
}

void hasher_end(struct hasher *hasher, uint8_t hash[SHA256_SIZE])
{
    hasher_wait(hasher);
    sha256_end(hasher->sha, hash);
}
