/* refused: unknown_type.h:4: unknown type name 'toyNothing' */

int toyFirst(int);
int toyBroken(toyNothing x);
