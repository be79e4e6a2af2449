/* refused: handle_of_its_own_name.h:3: typedef toyThing: a pointer to a record of the same name */
struct toyThing;
typedef struct toyThing *toyThing;
int toyUse(toyThing thing);
