/* hiredis against a node: a pipeline of SUBMITs, and a READ of what they
 * wrote. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#define COUNT 100

int main(int argc, char **argv)
{
    redisReply *reply = NULL;
    long long first = 0;
    redisContext *client = argc == 2 ? redisConnectUnix(argv[1]) : NULL;
    if (client == NULL || client->err) {
        return 1;
    }
    for (int i = 0; i < COUNT; i++) {
        redisAppendCommand(client, "SUBMIT %d", i);
    }
    for (int i = 0; i < COUNT; i++) {
        if (redisGetReply(client, (void **)&reply) != REDIS_OK ||
            reply->type != REDIS_REPLY_INTEGER) {
            return 2;
        }
        first = i == 0 ? reply->integer : first;
        freeReplyObject(reply);
    }
    reply = redisCommand(client, "READ %lld COUNT %d", first, COUNT);
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != COUNT ||
        strcmp(reply->element[COUNT - 1]->element[2]->str, "99") != 0) {
        return 3;
    }
    freeReplyObject(reply);
    redisFree(client);
    puts("ok");
    return 0;
}
