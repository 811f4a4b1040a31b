/* A whole life of a small network in a few steps: found, join, refer to the end, commands of the
 * staff, new keys, evidence, a backup. Each part looks first whether it has been done, so the story
 * can be taken up again by another process wherever a fault has ended it. */
#ifndef REFLOOP_TESTS_FAULTS_STORY_H
#define REFLOOP_TESTS_FAULTS_STORY_H

#include "tests/faults/world.h"

enum { STORY_LOOPS = 3 };

/* As far as it goes: what ends it is an error as a program would end with it. The world stays open.
 */
enum err story_run(struct world *world) MUST_CHECK;
/* What must hold of the disks after whatever has happened, before anybody goes on: everything
 * promised is there, every file is whole. Opens and closes everything. ERR_CORRUPT and a sentence
 * in the world's complaint. */
enum err story_check_disks(struct world *world) MUST_CHECK;
/* What must hold at the end of the story, of an open world. */
enum err story_check_end(struct world *world) MUST_CHECK;

#endif
