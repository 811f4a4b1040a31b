/* The broker on the network: the one file that knows ZeroMQ. */
#ifndef REFLOOP_BROKER_SERVER_SERVER_H
#define REFLOOP_BROKER_SERVER_SERVER_H

#include "broker/server/setup.h"

/* Binds, proves that strangers are kept out, serves until `signal_fd` says stop. ERR_OK after an
 * orderly stop; otherwise the sentence is in the complaint. */
enum err server_run(struct setup *setup, int signal_fd, struct complaint *complaint) MUST_CHECK;

#endif
