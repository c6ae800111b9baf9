/* Telling systemd how we are: sd_notify(3)'s protocol, a datagram to $NOTIFY_SOCKET. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/* Listening and taking part. */
void notify_ready(void);
/* Reading the configuration anew; notify_ready follows. */
void notify_reloading(void);
void notify_stopping(void);

#endif
