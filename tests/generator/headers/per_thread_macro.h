/* With a macro set, the names mean variants for per-thread default streams: the same function, another symbol. */
#ifdef TOY_PER_THREAD
#define __TOY_PTSZ(api) api##_ptsz
#define __TOY_PTDS(api) api##_ptds
#else
#define __TOY_PTSZ(api) api
#define __TOY_PTDS(api) api
#endif

#define toyLaunch __TOY_PTSZ(toyLaunch_v2)
#define toyCopy __TOY_PTDS(toyCopy)
#ifdef TOY_PER_THREAD
#define toyWait toyWait_ptsz
#endif

int toyLaunch(int kernel);
int toyCopy(void *to, const void *from);
int toyWait(void);
int toyInit(void);
