// Boost.JSON compiled in, so that the plugin needs no library of the machine it is copied to.
#include <boost/json/src.hpp>
