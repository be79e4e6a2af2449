/* Typedefs of typedefs stay as they are written; the first direct name of a record is its name. */
typedef unsigned long long toyPtr_v1;
typedef toyPtr_v1 toyPtr_v2;
typedef toyPtr_v2 toyPtr;
typedef toyPtr toyPtrPair[2];

typedef struct toyPlace_st { int id; } toyPlace_v1;
typedef toyPlace_v1 toyPlace;
typedef struct toyPlace_st toyPlaceToo;

int toyGo(toyPtr to, toyPlace *place, toyPtrPair pair);
